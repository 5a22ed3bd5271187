/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.ops;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/** One call of the gated product, with its loops in double. */
public final class GatedProductCase extends OpCase {

    private final Shape shape;
    private final Layout layout;

    /** Draws the inputs. */
    public GatedProductCase(Shape shape, Layout layout) {
        this.shape = shape;
        this.layout = layout;
        Random random = new Random(toString().hashCode());
        inputs().put("gate", Sample.draw(shape, layout, random::nextGaussian));
        inputs().put("x", Sample.draw(shape, layout, random::nextGaussian));
    }

    private static GatedProduct product(Map<String, NDArray> arrays) {
        return GatedProduct.of(arrays.get("gate"), arrays.get("x"));
    }

    @Override
    public List<String> results() {
        return List.of("product");
    }

    @Override
    public List<Shape> shapes() {
        return List.of(shape);
    }

    @Override
    public List<NDArray> run(OpsProvider provider, Map<String, NDArray> arrays) {
        GatedProduct product = product(arrays);
        product.check();
        return List.of(provider.gatedProduct(product));
    }

    @Override
    public List<NDArray> naive(Map<String, NDArray> arrays) {
        return List.of(product(arrays).naive());
    }

    @Override
    public List<double[]> forward(Map<String, double[]> values) {
        double[] product = values.get("x").clone();
        for (int i = 0; i < product.length; i++) {
            product[i] *= ScanLoop.silu(values.get("gate")[i]);
        }
        return List.of(product);
    }

    @Override
    public Map<String, double[]> backward(List<double[]> cotangents) {
        double[] ofGate = cotangents.get(0).clone();
        double[] ofX = cotangents.get(0).clone();
        for (int i = 0; i < ofX.length; i++) {
            double z = values().get("gate")[i];
            ofGate[i] *= values().get("x")[i] * ScanLoop.siluSlope(z);
            ofX[i] *= ScanLoop.silu(z);
        }
        Map<String, double[]> gradients = new LinkedHashMap<>();
        gradients.put("gate", ofGate);
        gradients.put("x", ofX);
        return gradients;
    }

    @Override
    public String toString() {
        return "gated product " + shape + " " + layout;
    }
}
