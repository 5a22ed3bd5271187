/**
 * Text generation: requests and their options, sampling, codecs between text and ids, streams,
 * saved states, and the translators that bring them to DJL's predictors.
 */
package io.github.djlmamba.zoo.text;
