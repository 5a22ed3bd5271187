/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.training;

import ai.djl.ndarray.NDArray;
import ai.djl.pytorch.jni.JniUtils;
import io.github.djlmamba.ops.OpsProvider;
import io.github.djlmamba.ops.OpsProviders;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What a run's results depend on in their last digits beside its settings and data.
 *
 * @param ops what runs the ops, with its version and instruction set
 * @param timedChoice what it has chosen by timing
 * @param threads the threads that the engine computes on
 * @param precision the precision of the forward pass
 */
record RunConditions(String ops, String timedChoice, int threads, String precision) {

    private static final Logger logger = LoggerFactory.getLogger(RunConditions.class);

    /** Returns those of a trainer in this process. */
    static RunConditions of(AdamTrainer trainer) {
        OpsProvider provider = provider(trainer);
        return new RunConditions(
                provider.description(),
                provider.timedChoice(),
                JniUtils.getNumThreads(),
                trainer.getPrecision().toString());
    }

    private static OpsProvider provider(AdamTrainer trainer) {
        NDArray first = trainer.slots().values().iterator().next().parameter();
        return OpsProviders.forArrays(first.getDevice(), first.getDataType());
    }

    /**
     * Brings them about for a trainer in this process, as far as they are a choice here, and logs a
     * warning about the rest.
     */
    void repeat(AdamTrainer trainer) {
        provider(trainer).repeatTimedChoice(timedChoice);
        RunConditions here = of(trainer);
        warn("ops", ops, here.ops);
        warn("threads", threads, here.threads);
        warn("precision", precision, here.precision);
    }

    private static void warn(String what, Object then, Object now) {
        if (!then.equals(now)) {
            logger.warn(
                    "The checkpoint's run had {}: {}; this process has: {}. It will not give the"
                            + " same results to the last digit",
                    what,
                    then,
                    now);
        }
    }
}
