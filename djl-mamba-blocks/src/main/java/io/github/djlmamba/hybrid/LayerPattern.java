/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.hybrid;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.stream.Collectors;
import org.apiguardian.api.API;

/**
 * The kinds of a model's layers in order, each a residual layer of its own. It is written as a
 * string of {@link LayerSymbol}s such as {@code M-M*-}. Immutable and thread safe.
 *
 * @param layers the kinds, the first layer's first
 */
@API(status = API.Status.EXPERIMENTAL)
public record LayerPattern(List<LayerSymbol> layers) {

    /**
     * Checks and copies the layers.
     *
     * @throws IllegalArgumentException if there are none, or one is null
     */
    public LayerPattern {
        if (layers == null || layers.isEmpty() || layers.stream().anyMatch(Objects::isNull)) {
            throw new IllegalArgumentException(
                    "layer pattern: expected at least one layer, none of them null, but got "
                            + layers);
        }
        layers = List.copyOf(layers);
    }

    /**
     * Parses a pattern.
     *
     * @param text one symbol a layer
     * @return the pattern
     * @throws IllegalArgumentException if the text is empty or holds another character
     */
    public static LayerPattern parse(String text) {
        if (text == null || text.isEmpty()) {
            throw new IllegalArgumentException(
                    "layer pattern: the text is empty; expected symbols out of " + known());
        }
        List<LayerSymbol> layers = new ArrayList<>(text.length());
        for (int i = 0; i < text.length(); i++) {
            layers.add(symbolAt(text, i));
        }
        return new LayerPattern(layers);
    }

    private static LayerSymbol symbolAt(String text, int index) {
        for (LayerSymbol layer : LayerSymbol.values()) {
            if (layer.symbol() == text.charAt(index)) {
                return layer;
            }
        }
        throw new IllegalArgumentException(
                "layer pattern: \""
                        + text
                        + "\" has '"
                        + text.charAt(index)
                        + "' at index "
                        + index
                        + "; expected symbols out of "
                        + known());
    }

    private static String known() {
        return Arrays.stream(LayerSymbol.values())
                .map(layer -> layer.symbol() + " (" + layer.title() + ")")
                .collect(Collectors.joining(", "));
    }

    /**
     * Spreads attention and MLP layers evenly among Mamba layers, as Waleffe et al. (2024) do for
     * Mamba-2-Hybrid: first the attention layers among all, then the MLP layers among the rest.
     *
     * @param layers the number of layers
     * @param attentionRatio the share of attention layers, from 0 to 1
     * @param mlpRatio the share of MLP layers, from 0 to 1
     * @return the pattern; 12 layers with ratios 0.08 and 0.5 give {@code M-M-M-*-M-M-}
     * @throws IllegalArgumentException if a number is out of range
     */
    public static LayerPattern allocate(int layers, double attentionRatio, double mlpRatio) {
        int attention = share("attention", layers, attentionRatio);
        int mlp = share("MLP", layers, mlpRatio);
        if (attention + mlp > layers) {
            throw new IllegalArgumentException(
                    "layer pattern: "
                            + attention
                            + " attention and "
                            + mlp
                            + " MLP layers do not fit into "
                            + layers
                            + "; lower the ratios");
        }
        List<LayerSymbol> pattern = new ArrayList<>(Collections.nCopies(layers, LayerSymbol.MAMBA));
        spread(pattern, attention, LayerSymbol.ATTENTION);
        spread(pattern, mlp, LayerSymbol.MLP);
        return new LayerPattern(pattern);
    }

    /** Replaces Mamba layers so that the runs of them between the new ones have like lengths. */
    private static void spread(List<LayerSymbol> pattern, int number, LayerSymbol kind) {
        if (number == 0) {
            return;
        }
        int left = Collections.frequency(pattern, LayerSymbol.MAMBA) - number;
        // Attention layers stand between runs of others; each MLP layer follows such a run.
        double run = left / (double) (kind == LayerSymbol.ATTENTION ? number + 1 : number);
        double rest = run;
        for (int i = 0; i < pattern.size(); i++) {
            if (pattern.get(i) != LayerSymbol.MAMBA) {
                continue;
            }
            if (rest < 0.5) {
                pattern.set(i, kind);
                rest += run;
            } else {
                rest -= 1;
            }
        }
    }

    private static int share(String kind, int layers, double ratio) {
        if (layers <= 0) {
            throw new IllegalArgumentException(
                    "layer pattern: the number of layers is " + layers + "; expected 1 or more");
        }
        if (!(ratio >= 0 && ratio <= 1)) {
            throw new IllegalArgumentException(
                    "layer pattern: the ratio of "
                            + kind
                            + " layers is "
                            + ratio
                            + "; expected a share from 0 to 1");
        }
        return (int) Math.rint(layers * ratio);
    }

    /**
     * Checks a hand-written pattern against the numbers that an allocation would have.
     *
     * @param text the pattern
     * @param layers the number of layers it must have
     * @param attentionRatio the share of attention layers
     * @param mlpRatio the share of MLP layers
     * @return the pattern
     * @throws IllegalArgumentException if the pattern has other numbers
     */
    public static LayerPattern override(
            String text, int layers, double attentionRatio, double mlpRatio) {
        LayerPattern pattern = override(text, layers);
        pattern.checkCount(LayerSymbol.ATTENTION, share("attention", layers, attentionRatio));
        pattern.checkCount(LayerSymbol.MLP, share("MLP", layers, mlpRatio));
        return pattern;
    }

    /**
     * Checks the length of a hand-written pattern.
     *
     * @param text the pattern
     * @param layers the number of layers it must have
     * @return the pattern
     * @throws IllegalArgumentException if the pattern has another length
     */
    public static LayerPattern override(String text, int layers) {
        LayerPattern pattern = parse(text);
        if (pattern.size() != layers) {
            throw new IllegalArgumentException(
                    "layer pattern: \""
                            + text
                            + "\" has "
                            + pattern.size()
                            + " layers; expected "
                            + layers);
        }
        return pattern;
    }

    private void checkCount(LayerSymbol kind, int expected) {
        int actual = count(kind);
        if (actual != expected) {
            throw new IllegalArgumentException(
                    "layer pattern: \""
                            + this
                            + "\" has "
                            + actual
                            + " "
                            + kind.title()
                            + " layers; the ratio asks for "
                            + expected);
        }
    }

    /**
     * Returns a pure Mamba pattern.
     *
     * @param layers the number of layers
     * @return M repeated
     */
    public static LayerPattern mamba(int layers) {
        return repeat("", "M", layers);
    }

    /**
     * Returns a transformer's pattern.
     *
     * @param layers the number of pairs of attention and MLP
     * @return *- repeated
     */
    public static LayerPattern transformer(int layers) {
        return repeat("", "*-", layers);
    }

    /**
     * Returns the standard hybrid of Park et al. (2024): attention and Mamba in turn.
     *
     * @param layers the number of layers, even
     * @return *M repeated
     */
    public static LayerPattern standardHybrid(int layers) {
        return repeat("", "*M", pairs(layers));
    }

    /**
     * Returns MambaFormer (Park et al., 2024): the standard hybrid after one more Mamba layer.
     *
     * @param layers the number of layers without the first, even
     * @return M, then *M repeated
     */
    public static LayerPattern mambaFormer(int layers) {
        return repeat("M", "*M", pairs(layers));
    }

    private static int pairs(int layers) {
        if (layers % 2 != 0) {
            throw new IllegalArgumentException(
                    "layer pattern: a hybrid has pairs of attention and Mamba layers but "
                            + layers
                            + " layers were asked for; choose an even number");
        }
        return layers / 2;
    }

    private static LayerPattern repeat(String first, String unit, int times) {
        if (times <= 0) {
            throw new IllegalArgumentException(
                    "layer pattern: "
                            + unit
                            + " was to be repeated "
                            + times
                            + " times; expected 1 or more");
        }
        return parse(first + unit.repeat(times));
    }

    /**
     * Returns the number of layers.
     *
     * @return 1 or more
     */
    public int size() {
        return layers.size();
    }

    /**
     * Returns the number of layers of one kind.
     *
     * @param kind the kind
     * @return 0 or more
     */
    public int count(LayerSymbol kind) {
        return Collections.frequency(layers, kind);
    }

    /**
     * Returns the pattern as {@link #parse} reads it.
     *
     * @return one symbol a layer
     */
    @Override
    public String toString() {
        StringBuilder text = new StringBuilder(layers.size());
        for (LayerSymbol layer : layers) {
            text.append(layer.symbol());
        }
        return text.toString();
    }
}
