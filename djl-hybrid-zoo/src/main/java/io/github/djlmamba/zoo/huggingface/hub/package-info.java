/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
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
