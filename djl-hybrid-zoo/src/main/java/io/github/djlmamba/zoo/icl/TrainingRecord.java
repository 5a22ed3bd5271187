/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.icl;

import ai.djl.Device;
import ai.djl.ndarray.types.DataType;
import ai.djl.util.JsonUtils;
import io.github.djlmamba.ops.OpsProviders;
import io.github.djlmamba.zoo.training.TrainingHistory;
import java.util.List;
import org.apiguardian.api.API;

/**
 * How a model came to be, so that the run can be repeated.
 *
 * @param command the command that trained it
 * @param commit the commit of the sources, or null where it is not known
 * @param settings the settings, which hold the seed
 * @param ops what ran the ops
 * @param threads the threads that it computed on
 * @param javaVersion the version of Java
 * @param seconds the time that training took
 * @param losses the losses by step
 */
@API(status = API.Status.EXPERIMENTAL)
public record TrainingRecord(
        String command,
        String commit,
        InContextTrainingSettings settings,
        String ops,
        int threads,
        String javaVersion,
        double seconds,
        List<TrainingHistory.Entry> losses) {

    /** The name of a record's file. */
    public static final String FILE = "training-record.json";

    /**
     * Records a run.
     *
     * @param command the command that trained it
     * @param commit the commit of the sources, or null where it is not known
     * @param settings the settings
     * @param threads the threads that it computed on
     * @param history the losses
     * @return the record
     */
    public static TrainingRecord of(
            String command,
            String commit,
            InContextTrainingSettings settings,
            int threads,
            TrainingHistory history) {
        return new TrainingRecord(
                command,
                commit,
                settings,
                OpsProviders.forArrays(Device.cpu(), DataType.FLOAT32).description(),
                threads,
                System.getProperty("java.version"),
                history.seconds(),
                history.curve());
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
    public static TrainingRecord fromJson(String json) {
        return JsonUtils.GSON_PRETTY.fromJson(json, TrainingRecord.class);
    }
}
