/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.cli;

import io.github.djlmamba.icl.probe.Phonebook;
import io.github.djlmamba.icl.probe.Probe;
import java.util.function.ToIntFunction;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Probes a model with phonebooks. */
@Command(
        name = "phonebook",
        description =
                "Show how well a model finds a phone number again, by the phonebook's length.",
        mixinStandardHelpOptions = true)
final class ProbePhonebookCommand extends ProbeRunCommand {

    @Option(
            names = "--reversed",
            description = "Name the person before the phonebook too, not after it alone.")
    private boolean reversed;

    @Option(
            names = "--examples",
            defaultValue = "2",
            description = "How many entries show what is asked. Default: ${DEFAULT-VALUE}.")
    private int examples;

    @Option(
            names = "--lengths",
            split = ",",
            defaultValue = "10,20,40,80,160",
            description = "How many entries a phonebook has. Default: ${DEFAULT-VALUE}.")
    private int[] lengths;

    @Option(
            names = "--tokens",
            description = "Take --lengths as the tokens of the prompt, filled with entries.")
    private boolean tokens;

    @Option(
            names = "--depths",
            split = ",",
            description =
                    "Where the entry stands, from 0, the first, to 1, the last; draws a heat map."
                            + " Default: each sample draws its own place.")
    private double[] depths = {};

    @Option(
            names = "--samples",
            defaultValue = "100",
            description = "How many samples each score is over. Default: ${DEFAULT-VALUE}.")
    private int samples;

    /** {@inheritDoc} */
    @Override
    protected Probe probe(ToIntFunction<String> tokenCounter) {
        Phonebook.Builder builder = Phonebook.builder().optReversed(reversed).optExamples(examples);
        return (tokens ? builder.optTokenCounter(tokenCounter) : builder).build();
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
