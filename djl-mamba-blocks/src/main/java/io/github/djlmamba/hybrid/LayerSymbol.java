/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.hybrid;

import org.apiguardian.api.API;

/** The kinds of layer in a {@link LayerPattern}, each written as one character. */
@API(status = API.Status.EXPERIMENTAL)
public enum LayerSymbol {

    /** A state space mixer: M. */
    MAMBA('M', "Mamba"),

    /** Causal self-attention: *. */
    ATTENTION('*', "attention"),

    /** A multilayer perceptron: -. */
    MLP('-', "MLP"),

    /** A mixture of experts: E. */
    EXPERTS('E', "mixture of experts"),

    /**
     * A state space mixer whose input a transformer block adds to that several layers share: S. See
     * {@link SharedTransformerOptions}.
     */
    SHARED('S', "shared transformer"),

    /** Attention and a state space mixer side by side: P. */
    PARALLEL('P', "parallel attention and Mamba");

    private final char symbol;
    private final String title;

    LayerSymbol(char symbol, String title) {
        this.symbol = symbol;
        this.title = title;
    }

    /**
     * Returns how this kind is written.
     *
     * @return one character
     */
    public char symbol() {
        return symbol;
    }

    /**
     * Returns the name of this kind for people.
     *
     * @return a short name
     */
    public String title() {
        return title;
    }
}
