/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.icl;

import ai.djl.Model;
import ai.djl.translate.TranslateException;
import ai.djl.translate.Translator;
import ai.djl.translate.TranslatorFactory;
import ai.djl.util.Pair;
import java.lang.reflect.Type;
import java.util.Map;
import java.util.Set;
import org.apiguardian.api.API;

/**
 * Makes the translator from {@link InContextPrompt} to the predictions, a {@code float[]}. Thread
 * safe.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class InContextTranslatorFactory implements TranslatorFactory {

    private static final long serialVersionUID = 1L;

    /** {@inheritDoc} */
    @Override
    public Set<Pair<Type, Type>> getSupportedTypes() {
        return Set.of(new Pair<>(InContextPrompt.class, float[].class));
    }

    /** {@inheritDoc} */
    @Override
    @SuppressWarnings("unchecked") // isSupported has fixed I and O
    public <I, O> Translator<I, O> newInstance(
            Class<I> input, Class<O> output, Model model, Map<String, ?> arguments)
            throws TranslateException {
        if (!isSupported(input, output)) {
            throw new TranslateException(
                    "in-context models translate InContextPrompt to float[], not "
                            + input.getName()
                            + " to "
                            + output.getName());
        }
        InContextSettings settings = InContextSettings.fromArguments(arguments);
        return (Translator<I, O>) new InContextTranslator(settings);
    }
}
