/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.language;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.ndarray.types.DataType;
import ai.djl.util.JsonUtils;
import io.github.djlmamba.ops.OpsProviders;
import io.github.djlmamba.zoo.training.TrainingHistory;
import java.util.List;
import org.apiguardian.api.API;

/**
 * How a byte-level model came to be, so that the run can be repeated.
 *
 * @param command the command that trained it
 * @param commit the commit of the sources, or null where it is not known
 * @param textSource where the text comes from: package, version and the command that writes it
 * @param settings the settings, which hold the seed, and the text's hash and parts
 * @param ops what ran the ops
 * @param threads the threads that it computed on
 * @param machine the architecture, the number of processors, and the device that it computed on
 * @param javaVersion the version of Java
 * @param seconds the time that training took
 * @param losses the losses by step, in nats per byte
 * @param note what else there is to say of the run, such as that it went on on another machine, or
 *     null
 * @param evaluation how well the model predicts what was held out, or null where that was not
 *     measured yet
 */
@API(status = API.Status.EXPERIMENTAL)
public record ByteModelRecord(
        String command,
        String commit,
        String textSource,
        ByteModelTrainingSettings settings,
        String ops,
        int threads,
        String machine,
        String javaVersion,
        double seconds,
        List<TrainingHistory.Entry> losses,
        String note,
        Evaluation evaluation) {

    /** The name of a record's file. */
    public static final String FILE = "training-record.json";

    /**
     * How well a model predicts a stretch of a text.
     *
     * @param from the offset of the first byte that was scored
     * @param to the offset after the last one
     * @param bitsPerByte the mean bits per byte
     * @param method from how many bytes before it each byte was predicted
     * @param xzBitsPerByte what {@code xz -9e} needs for the stretch, given all before it; null
     *     where it was not measured
     */
    public record Evaluation(
            long from, long to, double bitsPerByte, BitsPerByte method, Double xzBitsPerByte) {}

    /**
     * Records a run.
     *
     * @param command the command that trained it
     * @param commit the commit of the sources, or null where it is not known
     * @param textSource where the text comes from
     * @param note what else there is to say of the run, or null
     * @param settings the settings
     * @param threads the threads that it computed on
     * @param history the losses
     * @return the record, without an evaluation
     */
    public static ByteModelRecord of(
            String command,
            String commit,
            String textSource,
            String note,
            ByteModelTrainingSettings settings,
            int threads,
            TrainingHistory history) {
        Device device = Engine.getEngine("PyTorch").defaultDevice();
        return new ByteModelRecord(
                command,
                commit,
                textSource,
                settings,
                OpsProviders.forArrays(device, DataType.FLOAT32).description(),
                threads,
                System.getProperty("os.arch")
                        + ", "
                        + Runtime.getRuntime().availableProcessors()
                        + " processors, "
                        + device,
                System.getProperty("java.version"),
                history.seconds(),
                history.curve(),
                note,
                null);
    }

    /**
     * Returns the record with an evaluation.
     *
     * @param measured how well the model predicts what was held out
     * @return a copy with it
     */
    public ByteModelRecord withEvaluation(Evaluation measured) {
        return new ByteModelRecord(
                command,
                commit,
                textSource,
                settings,
                ops,
                threads,
                machine,
                javaVersion,
                seconds,
                losses,
                note,
                measured);
    }

    /**
     * Writes the record as a JSON document.
     *
     * @return the document
     */
    public String toJson() {
        return JsonUtils.GSON_PRETTY.toJson(this);
    }

    /**
     * Reads what {@link #toJson} wrote.
     *
     * @param json the document
     * @return the record
     */
    public static ByteModelRecord fromJson(String json) {
        return JsonUtils.GSON_PRETTY.fromJson(json, ByteModelRecord.class);
    }
}
