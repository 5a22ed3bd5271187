/**
 * The Hugging Face Hub: a repository's files at a revision, as a local folder, by the conventions
 * of the library {@code huggingface_hub}: its environment variables, and its cache, which both may
 * fill. <a href="https://huggingface.co/docs/huggingface_hub/guides/manage-cache">The layout</a>:
 *
 * <pre>
 *   models--OWNER--NAME/refs/REVISION            the commit that a branch or tag is at
 *   models--OWNER--NAME/blobs/HASH               the content of a file, named by its hash
 *   models--OWNER--NAME/snapshots/COMMIT/FILE    a link to a blob
 *   models--OWNER--NAME/.no_exist/COMMIT/FILE    empty: that the commit has no such file
 * </pre>
 */
package io.github.djlmamba.zoo.huggingface.hub;
