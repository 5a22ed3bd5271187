/**
 * Language models: an embedding of tokens, a hybrid stack and a head that scores the next token.
 */
package io.github.djlmamba.language;
