/**
 * Language models in the layout of Hugging Face: a folder with config.json and model.safetensors,
 * or shards with an index.
 *
 * <p>One class for each family of checkpoints maps the keys of the configuration to the settings of
 * a {@link io.github.djlmamba.language.LanguageModel} and the names of stored tensors to its
 * parameters. The same table serves loading, saving and gradients by stored name.
 */
package io.github.djlmamba.zoo.huggingface;
