/**
 * Reading and writing safetensors, the format in which Hugging Face keeps parameters: single files
 * and shards with an index, checked before they are used, tensor by tensor and straight into the
 * memory of arrays.
 *
 * @see <a href="https://github.com/huggingface/safetensors">The format</a>
 */
package io.github.djlmamba.zoo.safetensors;
