/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.ops;

/** How a test array lies in memory. */
public enum Layout {
    /** Row by row, without gaps. */
    CONTIGUOUS,
    /** A slice of a wider array along the last axis, between NaN, as a projection is split. */
    SLICED,
    /** The axes in reverse order, so that the last is not contiguous. */
    TRANSPOSED,
    /** One entry of the first axis, repeated with a stride of zero. */
    EXPANDED_FIRST,
    /** One entry of the last axis, repeated with a stride of zero. */
    EXPANDED_LAST
}
