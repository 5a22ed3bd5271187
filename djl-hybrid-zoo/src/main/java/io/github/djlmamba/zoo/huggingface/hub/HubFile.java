/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.huggingface.hub;

/**
 * What the Hub says about a file.
 *
 * @param reference the repository and the revision that was asked for
 * @param commit the commit that the revision is at
 * @param name the file's name
 * @param hash the hash of its content
 * @param size its size in bytes
 */
record HubFile(HubReference reference, String commit, String name, ContentHash hash, long size) {

    @Override
    public String toString() {
        return name + " of " + reference;
    }
}
