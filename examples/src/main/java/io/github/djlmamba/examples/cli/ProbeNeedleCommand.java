/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.cli;

import io.github.djlmamba.icl.probe.FillerText;
import io.github.djlmamba.icl.probe.NeedleInHaystack;
import io.github.djlmamba.icl.probe.Probe;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.ToIntFunction;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Probes a model with a needle in a haystack. */
@Command(
        name = "needle",
        description =
                "Show how well a model finds a number again that is hidden in a long text, by length"
                        + " and depth.",
        mixinStandardHelpOptions = true)
final class ProbeNeedleCommand extends ProbeRunCommand {

    /** More than the longest prompt takes. */
    private static final long MAX_FILLER_BYTES = 1L << 28;

    @Option(
            names = "--lengths",
            split = ",",
            defaultValue = "1000,2000,4000,8000",
            description = "How many tokens a prompt has at most. Default: ${DEFAULT-VALUE}.")
    private int[] lengths;

    @Option(
            names = "--depths",
            split = ",",
            defaultValue = "0,0.25,0.5,0.75,1",
            description =
                    "Where the number stands, from 0, the start of the text, to 1, its end. Default:"
                            + " ${DEFAULT-VALUE}.")
    private double[] depths;

    @Option(
            names = "--samples",
            defaultValue = "10",
            description = "How many samples each cell is over. Default: ${DEFAULT-VALUE}.")
    private int samples;

    @Option(
            names = "--filler",
            description = "A file of UTF-8 text to hide the number in. Default: drawn sentences.")
    private Path filler;

    /** {@inheritDoc} */
    @Override
    protected Probe probe(ToIntFunction<String> tokenCounter) throws IOException {
        NeedleInHaystack.Builder builder = NeedleInHaystack.builder().optTokenCounter(tokenCounter);
        if (filler != null) {
            builder.optFiller(FillerText.of(readFiller()));
        }
        return builder.build();
    }

    private String readFiller() throws IOException {
        if (Files.size(filler) > MAX_FILLER_BYTES) {
            throw new IllegalArgumentException(
                    filler
                            + " has more than "
                            + MAX_FILLER_BYTES
                            + " bytes; take a part of it as --filler");
        }
        try {
            return Files.readString(filler);
        } catch (CharacterCodingException e) {
            throw new IllegalArgumentException(
                    filler + " is no text in UTF-8; convert it, or take another --filler", e);
        }
    }

    /** {@inheritDoc} */
    @Override
    protected int[] lengths() {
        return lengths;
    }

    /** {@inheritDoc} */
    @Override
    protected double[] depths() {
        return depths;
    }

    /** {@inheritDoc} */
    @Override
    protected int samples() {
        return samples;
    }
}
