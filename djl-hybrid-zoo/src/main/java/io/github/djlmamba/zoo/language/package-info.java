/**
 * Byte-level language models: their settings, a text in parts as training data, training, and the
 * measure in bits per byte.
 */
package io.github.djlmamba.zoo.language;
