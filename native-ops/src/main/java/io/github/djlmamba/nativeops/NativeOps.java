/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.nativeops;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.DataType;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.jni.JniUtils;
import io.github.djlmamba.ops.AdamStep;
import io.github.djlmamba.ops.CausalAttention;
import io.github.djlmamba.ops.CausalConv1d;
import io.github.djlmamba.ops.CausalConv1dStep;
import io.github.djlmamba.ops.FusedMamba;
import io.github.djlmamba.ops.FusedMamba2;
import io.github.djlmamba.ops.GatedProduct;
import io.github.djlmamba.ops.Linear;
import io.github.djlmamba.ops.OpsProvider;
import io.github.djlmamba.ops.PackedSequences;
import io.github.djlmamba.ops.ReducedPrecision;
import io.github.djlmamba.ops.ResidualNorm;
import io.github.djlmamba.ops.RmsNormalization;
import io.github.djlmamba.ops.RotaryEmbedding;
import io.github.djlmamba.ops.SelectiveScan;
import io.github.djlmamba.ops.SelectiveScanStep;
import io.github.djlmamba.ops.SequenceAppend;
import io.github.djlmamba.ops.StateSpaceDual;
import io.github.djlmamba.ops.StateSpaceDualStep;
import java.util.List;
import java.util.function.Function;
import org.apiguardian.api.API;

/**
 * The provider that runs the ops in C++, on the libtorch that DJL has loaded.
 *
 * <p>It takes float32, float64 and bfloat16 arrays on the CPU. Where the library cannot be loaded
 * it says why, and another provider is used. Results are differentiable once; a graph of the
 * backward pass is refused, except for linear. For equal inputs and an equal number of threads they
 * are bitwise repeatable. Thread safe.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class NativeOps implements OpsProvider {

    /** The name of this provider. */
    public static final String NAME = "native";

    /** Made by the service lookup. */
    public NativeOps() {}

    /** {@inheritDoc} */
    @Override
    public String name() {
        return NAME;
    }

    /** {@inheritDoc} */
    @Override
    public int priority() {
        return 100;
    }

    /** {@inheritDoc} */
    @Override
    public boolean supports(Device device, DataType dataType) {
        return !device.isGpu()
                && Device.Type.CPU.equals(device.getDeviceType())
                && (dataType == DataType.FLOAT32
                        || dataType == DataType.FLOAT64
                        || dataType == DataType.UNKNOWN);
    }

    /** {@inheritDoc} */
    @Override
    public ReducedPrecision reducedPrecision() {
        return NativePrecision.INSTANCE;
    }

    /** {@inheritDoc} */
    @Override
    public String unavailableReason() {
        return NativeLibrary.load().reason();
    }

    /** {@inheritDoc} */
    @Override
    public String description() {
        NativeLibrary library = NativeLibrary.load();
        if (library.reason() != null) {
            return NAME + ": " + library.reason();
        }
        return NAME
                + ": C++ ops on libtorch "
                + library.libtorchVersion()
                + ", instruction set "
                + NativeBindings.instructionSet()
                + ", linear by "
                + NativeBindings.linearChoice();
    }

    /** {@inheritDoc} */
    @Override
    public String timedChoice() {
        NativeLibrary.require();
        return "linear=" + NativeBindings.linearChoice();
    }

    /** {@inheritDoc} */
    @Override
    public boolean repeatTimedChoice(String choice) {
        NativeLibrary.require();
        return choice.startsWith("linear=")
                && NativeBindings.repeatLinearChoice(choice.substring("linear=".length()));
    }

    /** {@inheritDoc} */
    @Override
    public NDArray linear(Linear linear) {
        NativeLibrary.require();
        return array(
                "linear",
                linear.input(),
                NativeBindings.linear(
                        handle("linear", "input", linear.input()),
                        handle("linear", "weight", linear.weight()),
                        optionalHandle("linear", "bias", linear.bias())));
    }

    /** {@inheritDoc} */
    @Override
    public SelectiveScan.Result selectiveScan(SelectiveScan scan) {
        NativeLibrary.require();
        String op = "selective scan";
        long[] handles =
                NativeBindings.selectiveScan(
                        handle(op, "u", scan.u()),
                        handle(op, "delta", scan.delta()),
                        handle(op, "a", scan.a()),
                        handle(op, "b", scan.b()),
                        handle(op, "c", scan.c()),
                        optionalHandle(op, "skip", scan.skip()),
                        optionalHandle(op, "gate", scan.gate()),
                        optionalHandle(op, "deltaBias", scan.deltaBias()),
                        optionalHandle(op, "initialState", scan.initialState()),
                        scan.deltaSoftplus(),
                        offsets(scan.sequences()));
        NDArray[] results = arrays(op, scan.u(), handles);
        return new SelectiveScan.Result(results[0], results[1]);
    }

    /** {@inheritDoc} */
    @Override
    public CausalConv1d.Result causalConv1d(CausalConv1d convolution) {
        NativeLibrary.require();
        String op = "causal conv1d";
        long[] handles =
                NativeBindings.causalConv1d(
                        handle(op, "x", convolution.x()),
                        handle(op, "weight", convolution.weight()),
                        optionalHandle(op, "bias", convolution.bias()),
                        optionalHandle(op, "initialState", convolution.initialState()),
                        convolution.silu(),
                        offsets(convolution.sequences()));
        NDArray[] results = arrays(op, convolution.x(), handles);
        return new CausalConv1d.Result(results[0], results[1]);
    }

    /** {@inheritDoc} */
    @Override
    public StateSpaceDual.Result stateSpaceDual(StateSpaceDual dual) {
        NativeLibrary.require();
        String op = "state space dual";
        long[] arguments = {
            handle(op, "x", dual.x()),
            handle(op, "delta", dual.delta()),
            handle(op, "a", dual.a()),
            handle(op, "b", dual.b()),
            handle(op, "c", dual.c()),
            optionalHandle(op, "skip", dual.skip()),
            optionalHandle(op, "gate", dual.gate()),
            optionalHandle(op, "deltaBias", dual.deltaBias()),
            optionalHandle(op, "initialState", dual.initialState())
        };
        long[] handles =
                NativeBindings.stateSpaceDual(
                        arguments,
                        dual.sequences() == null ? null : dual.sequences().offsets(),
                        dual.deltaSoftplus(),
                        dual.deltaMinimum(),
                        dual.deltaMaximum(),
                        dual.chunkSize());
        NDArray[] results = arrays(op, dual.x(), handles);
        return new StateSpaceDual.Result(results[0], results[1]);
    }

    /** {@inheritDoc} */
    @Override
    public NDList fusedMamba(FusedMamba mamba) {
        NativeLibrary.require();
        String op = "Mamba block";
        long[] arguments = {
            handle(op, "x", mamba.x()),
            handle(op, "inWeight", mamba.inWeight()),
            optionalHandle(op, "inBias", mamba.inBias()),
            handle(op, "convolutionWeight", mamba.convolutionWeight()),
            optionalHandle(op, "convolutionBias", mamba.convolutionBias()),
            handle(op, "scanWeight", mamba.scanWeight()),
            handle(op, "deltaWeight", mamba.deltaWeight()),
            handle(op, "deltaBias", mamba.deltaBias()),
            handle(op, "stateLog", mamba.stateLog()),
            handle(op, "skip", mamba.skip()),
            handle(op, "outWeight", mamba.outWeight()),
            optionalHandle(op, "outBias", mamba.outBias()),
            optionalHandle(op, "convolutionState", mamba.convolutionState()),
            optionalHandle(op, "scanState", mamba.scanState()),
            normHandle(op, mamba.around())
        };
        return new NDList(
                arrays(
                        op,
                        mamba.x(),
                        NativeBindings.fusedMamba(
                                arguments, epsilon(mamba.around()), multiplier(mamba.around()))));
    }

    /** {@inheritDoc} */
    @Override
    public NDList fusedMamba2(FusedMamba2 mamba) {
        NativeLibrary.require();
        String op = "Mamba-2 block";
        long[] arguments = {
            handle(op, "x", mamba.x()),
            handle(op, "inWeight", mamba.inWeight()),
            optionalHandle(op, "inBias", mamba.inBias()),
            handle(op, "convolutionWeight", mamba.convolutionWeight()),
            optionalHandle(op, "convolutionBias", mamba.convolutionBias()),
            handle(op, "deltaBias", mamba.deltaBias()),
            handle(op, "stateLog", mamba.stateLog()),
            handle(op, "skip", mamba.skip()),
            optionalHandle(op, "normWeight", mamba.normWeight()),
            handle(op, "outWeight", mamba.outWeight()),
            optionalHandle(op, "outBias", mamba.outBias()),
            optionalHandle(op, "convolutionState", mamba.convolutionState()),
            optionalHandle(op, "dualState", mamba.dualState()),
            normHandle(op, mamba.around())
        };
        return new NDList(
                arrays(
                        op,
                        mamba.x(),
                        NativeBindings.fusedMamba2(
                                arguments,
                                mamba.heads(),
                                mamba.groups(),
                                mamba.gateFirst(),
                                mamba.normGroups(),
                                mamba.normEpsilon(),
                                mamba.deltaMinimum(),
                                mamba.deltaMaximum(),
                                epsilon(mamba.around()),
                                multiplier(mamba.around()))));
    }

    private static long normHandle(String op, ResidualNorm around) {
        return around == null ? 0 : handle(op, "weight of the norm", around.weight());
    }

    private static double epsilon(ResidualNorm around) {
        return around == null ? RmsNormalization.DEFAULT_EPSILON : around.epsilon();
    }

    private static double multiplier(ResidualNorm around) {
        return around == null ? 1 : around.multiplier();
    }

    /** {@inheritDoc} */
    @Override
    public NDArray stateSpaceDualStep(StateSpaceDualStep step) {
        NativeLibrary.require();
        String op = "state space dual step";
        long[] arguments = {
            handle(op, "x", step.x()),
            handle(op, "delta", step.delta()),
            handle(op, "a", step.a()),
            handle(op, "b", step.b()),
            handle(op, "c", step.c()),
            optionalHandle(op, "skip", step.skip()),
            optionalHandle(op, "gate", step.gate()),
            optionalHandle(op, "deltaBias", step.deltaBias()),
            handle(op, "state", step.state())
        };
        return array(
                op,
                step.x(),
                NativeBindings.stateSpaceDualStep(
                        arguments,
                        optionalHandle(op, "slots", step.slots()),
                        step.deltaSoftplus(),
                        step.deltaMinimum(),
                        step.deltaMaximum()));
    }

    /** {@inheritDoc} */
    @Override
    public NDArray selectiveScanStep(SelectiveScanStep step) {
        NativeLibrary.require();
        String op = "selective scan step";
        return array(
                op,
                step.u(),
                NativeBindings.selectiveScanStep(
                        handle(op, "state", step.state()),
                        handle(op, "u", step.u()),
                        handle(op, "delta", step.delta()),
                        handle(op, "a", step.a()),
                        handle(op, "b", step.b()),
                        handle(op, "c", step.c()),
                        optionalHandle(op, "skip", step.skip()),
                        optionalHandle(op, "gate", step.gate()),
                        optionalHandle(op, "deltaBias", step.deltaBias()),
                        optionalHandle(op, "slots", step.slots()),
                        step.deltaSoftplus()));
    }

    /** {@inheritDoc} */
    @Override
    public RmsNormalization.Result rmsNorm(RmsNormalization norm) {
        NativeLibrary.require();
        String op = "RMS norm";
        long[] handles =
                NativeBindings.rmsNorm(
                        handle(op, "x", norm.x()),
                        optionalHandle(op, "residual", norm.residual()),
                        optionalHandle(op, "gate", norm.gate()),
                        optionalHandle(op, "weight", norm.weight()),
                        norm.groups(),
                        norm.gateOrder() == RmsNormalization.GateOrder.GATE_FIRST,
                        norm.epsilon(),
                        norm.bfloat16Output());
        NDArray[] results = arrays(op, norm.x(), handles);
        return new RmsNormalization.Result(results[0], results.length == 1 ? null : results[1]);
    }

    /** {@inheritDoc} */
    @Override
    public NDArray causalAttention(CausalAttention attention) {
        NativeLibrary.require();
        String op = "causal attention";
        return array(
                op,
                attention.queries(),
                NativeBindings.causalAttention(
                        handle(op, "queries", attention.queries()),
                        handle(op, "keys", attention.keys()),
                        handle(op, "values", attention.values()),
                        attention.scale(),
                        attention.window()));
    }

    /** {@inheritDoc} */
    @Override
    public NDArray causalConv1dStep(CausalConv1dStep step) {
        NativeLibrary.require();
        String op = "causal conv1d step";
        return array(
                op,
                step.x(),
                NativeBindings.causalConv1dStep(
                        handle(op, "state", step.state()),
                        handle(op, "x", step.x()),
                        handle(op, "weight", step.weight()),
                        optionalHandle(op, "bias", step.bias()),
                        optionalHandle(op, "slots", step.slots()),
                        step.silu()));
    }

    /** {@inheritDoc} */
    @Override
    public NDArray rotaryEmbedding(RotaryEmbedding embedding) {
        NativeLibrary.require();
        String op = "rotary embedding";
        return array(
                op,
                embedding.x(),
                NativeBindings.rotaryEmbedding(
                        handle(op, "x", embedding.x()),
                        embedding.rotated(),
                        embedding.position(),
                        embedding.base(),
                        embedding.interleaved()));
    }

    /** {@inheritDoc} */
    @Override
    public NDArray sequenceAppend(SequenceAppend append) {
        NativeLibrary.require();
        String op = "sequence append";
        return array(
                op,
                append.more(),
                NativeBindings.sequenceAppend(
                        handle(op, "past", append.past()), handle(op, "more", append.more())));
    }

    /** {@inheritDoc} */
    @Override
    public NDArray gatedProduct(GatedProduct product) {
        NativeLibrary.require();
        String op = "gated product";
        return array(
                op,
                product.gate(),
                NativeBindings.gatedProduct(
                        handle(op, "gate", product.gate()), handle(op, "x", product.x())));
    }

    /** {@inheritDoc} */
    @Override
    public double adamStep(AdamStep step) {
        NativeLibrary.require();
        List<AdamStep.Slot> slots = step.slots();
        boolean[] decay = new boolean[slots.size()];
        for (int i = 0; i < decay.length; i++) {
            decay[i] = slots.get(i).decay();
        }
        AdamStep.Options options = step.options();
        return NativeBindings.adamStep(
                handles(slots, "parameter", AdamStep.Slot::parameter),
                handles(slots, "firstMoment", AdamStep.Slot::firstMoment),
                handles(slots, "secondMoment", AdamStep.Slot::secondMoment),
                decay,
                step.step(),
                options.learningRate(),
                options.beta1(),
                options.beta2(),
                options.epsilon(),
                options.weightDecay(),
                options.decoupled(),
                options.maxGradientNorm(),
                options.gradientScale());
    }

    private static long[] handles(
            List<AdamStep.Slot> slots, String name, Function<AdamStep.Slot, NDArray> part) {
        long[] handles = new long[slots.size()];
        for (int i = 0; i < handles.length; i++) {
            handles[i] = handle("Adam step", name, part.apply(slots.get(i)));
        }
        return handles;
    }

    private static long[] offsets(PackedSequences sequences) {
        return sequences == null ? null : sequences.offsets();
    }

    static long optionalHandle(String op, String name, NDArray array) {
        return array == null ? 0 : handle(op, name, array);
    }

    static long handle(String op, String name, NDArray array) {
        return torch(op, name, array).getHandle();
    }

    private static PtNDArray torch(String op, String name, NDArray array) {
        if (array instanceof PtNDArray torch) {
            return torch;
        }
        throw new IllegalArgumentException(
                op
                        + ": "
                        + name
                        + " is a "
                        + (array == null ? null : array.getClass().getName())
                        + "; the native ops take arrays of DJL's PyTorch engine");
    }

    static NDArray array(String op, NDArray leader, long handle) {
        return arrays(op, leader, new long[] {handle})[0];
    }

    /** Gives the handles an owner: the leading input's manager. Nothing leaks if it is closed. */
    private static NDArray[] arrays(String op, NDArray leader, long[] handles) {
        NDArray[] arrays = new NDArray[handles.length];
        int owned = 0;
        try {
            PtNDManager manager = torch(op, "the first input", leader).getManager();
            while (owned < handles.length) {
                arrays[owned] = new PtNDArray(manager, handles[owned]);
                owned++;
            }
            return arrays;
        } finally {
            for (int i = 0; owned < handles.length && i < handles.length; i++) {
                if (i < owned) {
                    arrays[i].close();
                } else {
                    JniUtils.deleteNDArray(handles[i]);
                }
            }
        }
    }
}
