/** Models inside an application: a plain main, without a framework. */
package io.github.djlmamba.examples.embedding;
