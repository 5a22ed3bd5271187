/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.benchmark;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.github.djlmamba.nativeops.NativeOps;
import io.github.djlmamba.ops.AdamStep;
import io.github.djlmamba.ops.CausalAttention;
import io.github.djlmamba.ops.CausalConv1d;
import io.github.djlmamba.ops.CausalConv1dStep;
import io.github.djlmamba.ops.FusedMamba;
import io.github.djlmamba.ops.FusedMamba2;
import io.github.djlmamba.ops.GatedProduct;
import io.github.djlmamba.ops.Linear;
import io.github.djlmamba.ops.OpsProvider;
import io.github.djlmamba.ops.OpsProviders;
import io.github.djlmamba.ops.ReducedPrecision;
import io.github.djlmamba.ops.RmsNormalization;
import io.github.djlmamba.ops.RotaryEmbedding;
import io.github.djlmamba.ops.SelectiveScan;
import io.github.djlmamba.ops.SelectiveScanStep;
import io.github.djlmamba.ops.SequenceAppend;
import io.github.djlmamba.ops.StateSpaceDual;
import io.github.djlmamba.ops.StateSpaceDualStep;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import org.apiguardian.api.API;

/**
 * The native ops with a clock around each call, to be forced while a model's time is divided among
 * its ops. Never chosen by itself. Thread safe.
 */
@API(status = API.Status.INTERNAL)
public final class TimedOps implements OpsProvider {

    /** The name of this provider. */
    static final String NAME = "timed";

    private static final Map<String, Tally> TALLIES = new ConcurrentHashMap<>();

    /** Made by the service lookup. */
    public TimedOps() {}

    /**
     * What an op has taken.
     *
     * @param nanoseconds the time of all its calls
     * @param operations the operations of the products of matrices in them
     */
    record Tally(long nanoseconds, double operations) {

        Tally plus(Tally other) {
            return new Tally(nanoseconds + other.nanoseconds, operations + other.operations);
        }
    }

    /** Returns what each op has taken since the last call of this, by the name of its schema. */
    static Map<String, Tally> take() {
        Map<String, Tally> taken = new TreeMap<>(TALLIES);
        TALLIES.clear();
        return taken;
    }

    private static OpsProvider timed() {
        return OpsProviders.named(NativeOps.NAME);
    }

    private static <T> T time(String op, double operations, Supplier<T> call) {
        long begin = System.nanoTime();
        T result = call.get();
        TALLIES.merge(op, new Tally(System.nanoTime() - begin, operations), Tally::plus);
        return result;
    }

    /** {@inheritDoc} */
    @Override
    public String name() {
        return NAME;
    }

    /** {@inheritDoc} */
    @Override
    public int priority() {
        return -1;
    }

    /** {@inheritDoc} */
    @Override
    public boolean supports(Device device, DataType dataType) {
        return timed().supports(device, dataType);
    }

    /** {@inheritDoc} */
    @Override
    public ReducedPrecision reducedPrecision() {
        return null;
    }

    /** {@inheritDoc} */
    @Override
    public NDArray linear(Linear linear) {
        double operations = 2.0 * linear.input().size() * linear.weight().getShape().get(0);
        return time("linear", operations, () -> timed().linear(linear));
    }

    /** {@inheritDoc} */
    @Override
    public SelectiveScan.Result selectiveScan(SelectiveScan scan) {
        return time("selective_scan", 0, () -> timed().selectiveScan(scan));
    }

    /** {@inheritDoc} */
    @Override
    public StateSpaceDual.Result stateSpaceDual(StateSpaceDual dual) {
        Shape x = dual.x().getShape();
        Shape b = dual.b().getShape();
        double operations =
                new StateSpaceDualOp(x.get(0), x.get(1), x.get(2), x.get(3), b.get(3), b.get(2))
                                .work(false)
                        * 1e9;
        return time("state_space_dual", operations, () -> timed().stateSpaceDual(dual));
    }

    /** {@inheritDoc} */
    @Override
    public NDArray stateSpaceDualStep(StateSpaceDualStep step) {
        return time("state_space_dual_step", 0, () -> timed().stateSpaceDualStep(step));
    }

    /** {@inheritDoc} */
    @Override
    public NDArray selectiveScanStep(SelectiveScanStep step) {
        return time("selective_scan_step", 0, () -> timed().selectiveScanStep(step));
    }

    /** {@inheritDoc} */
    @Override
    public NDArray causalConv1dStep(CausalConv1dStep step) {
        return time("causal_conv1d_step", 0, () -> timed().causalConv1dStep(step));
    }

    /** {@inheritDoc} */
    @Override
    public CausalConv1d.Result causalConv1d(CausalConv1d convolution) {
        return time("causal_conv1d", 0, () -> timed().causalConv1d(convolution));
    }

    /** {@inheritDoc} */
    @Override
    public RmsNormalization.Result rmsNorm(RmsNormalization norm) {
        return time("rms_norm", 0, () -> timed().rmsNorm(norm));
    }

    /** {@inheritDoc} */
    @Override
    public NDArray causalAttention(CausalAttention attention) {
        return time("causal_attention", 0, () -> timed().causalAttention(attention));
    }

    /** {@inheritDoc} */
    @Override
    public NDArray rotaryEmbedding(RotaryEmbedding embedding) {
        return time("rotary_embedding", 0, () -> timed().rotaryEmbedding(embedding));
    }

    /** Has no such call, so that the ops of a block are timed one by one. */
    @Override
    public NDList fusedMamba(FusedMamba mamba) {
        return null;
    }

    /** Has no such call, so that the ops of a block are timed one by one. */
    @Override
    public NDList fusedMamba2(FusedMamba2 mamba) {
        return null;
    }

    /** {@inheritDoc} */
    @Override
    public NDArray sequenceAppend(SequenceAppend append) {
        return time("sequence_append", 0, () -> timed().sequenceAppend(append));
    }

    /** {@inheritDoc} */
    @Override
    public NDArray gatedProduct(GatedProduct product) {
        return time("gated_product", 0, () -> timed().gatedProduct(product));
    }

    /** {@inheritDoc} */
    @Override
    public double adamStep(AdamStep step) {
        return time("adam_step", 0, () -> timed().adamStep(step));
    }
}
