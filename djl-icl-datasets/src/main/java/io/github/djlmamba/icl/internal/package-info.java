/** What reports share. Not part of the public interface: it may change at any time. */
package io.github.djlmamba.icl.internal;
