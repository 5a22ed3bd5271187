/**
 * Probes of a language model's long-term memory: prompts in which one fact has to be found again,
 * scores of the answers, and reports.
 */
package io.github.djlmamba.icl.probe;
