/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.huggingface;

import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import ai.djl.util.Pair;
import io.github.djlmamba.language.LanguageModel;
import io.github.djlmamba.zoo.huggingface.StoredTensor.Range;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;

/**
 * The table from the names of a checkpoint to the parameters of a model, filled by a family.
 *
 * <p>A row names a parameter by its path, such as {@code in_proj.weight}, below a block of the
 * model. A row whose parameter the model does not have, such as the bias of a projection without
 * one, is left out; {@link #rows()} checks that each parameter of the model has its rows.
 */
final class TensorTable {

    /** More tensors than any checkpoint has. */
    private static final int MAX_ROWS = 1_000_000;

    private final LanguageModel model;
    private final Block block;
    private final String prefix;
    private final List<Row> rows;

    /**
     * A row of the table.
     *
     * @param names the names that the tensor may have, the usual one first
     * @param shape its shape in the checkpoint
     * @param parameter the parameter that holds it
     * @param ranges the parameter's elements that it consists of
     * @param run how many elements come from one range before the next, or 0
     * @param copy whether the tensor may be missing, since its values are those of another row
     */
    record Row(
            List<String> names,
            Shape shape,
            Parameter parameter,
            List<Range> ranges,
            long run,
            boolean copy) {}

    /**
     * Some rows of a matrix, or what a higher array has along its first axis, as a tensor of its
     * own.
     *
     * @param name the tensor's name
     * @param count the number of rows
     */
    record Part(String name, long count) {}

    private TensorTable(LanguageModel model, Block block, String prefix, List<Row> rows) {
        this.model = model;
        this.block = block;
        this.prefix = prefix;
        this.rows = rows;
    }

    /** Returns an empty table. */
    static TensorTable of(LanguageModel model) {
        return new TensorTable(model, model, "", new ArrayList<>());
    }

    /** Returns the same table, for a layer of the stack and stored names with a prefix. */
    TensorTable layer(int index, String newPrefix) {
        Block stack = child(model, "stack", 0);
        Block layer = child(stack, "layer", index);
        return new TensorTable(model, layer, newPrefix, rows);
    }

    /** Returns the same table, for a transformer block that layers of the stack share. */
    TensorTable shared(int index, String newPrefix) {
        Block shared = child(child(model, "stack", 0), "shared", index);
        return new TensorTable(model, shared, newPrefix, rows);
    }

    /**
     * Returns the same table, for a block inside of this one and a longer prefix. Of several
     * children of one name, {@code name[n]} is the n-th, counted from 0.
     */
    TensorTable in(String path, String morePrefix) {
        Block inner = descend(path.split("\\."));
        if (inner == null) {
            throw new IllegalArgumentException("there is no block " + path);
        }
        return new TensorTable(model, inner, prefix + morePrefix, rows);
    }

    /** Adds a tensor that is a parameter as it is, under a name or another one. */
    TensorTable add(String parameter, String name, String... otherNames) {
        Parameter found = parameter(parameter);
        if (found != null) {
            List<String> names = new ArrayList<>();
            names.add(prefix + name);
            for (String other : otherNames) {
                names.add(prefix + other);
            }
            add(new Row(names, found.getShape(), found, all(found), 0, false));
        }
        return this;
    }

    /** Adds a tensor that has the elements of a parameter in another shape. */
    TensorTable addShaped(String parameter, String name, long... shape) {
        Parameter found = parameter(parameter);
        add(new Row(List.of(prefix + name), new Shape(shape), found, all(found), 0, false));
        return this;
    }

    /** Adds a tensor in which the rows of a parameter's first half alternate with the others. */
    TensorTable addAlternating(String parameter, String name) {
        Parameter found = parameter(parameter);
        if (found == null) {
            return this;
        }
        Shape shape = found.getShape();
        long half = shape.size() / 2;
        List<Range> halves = List.of(new Range(0, half), new Range(half, 2 * half));
        long row = shape.slice(1).size();
        add(new Row(List.of(prefix + name), shape, found, halves, row, false));
        return this;
    }

    /** Adds the weight (D, W) of a convolution of each channel, which is stored as (D, 1, W). */
    TensorTable addConvolution(String parameter, String name) {
        Parameter found = parameter(parameter);
        Shape shape = found.getShape();
        Shape stored = new Shape(shape.get(0), 1, shape.get(1));
        add(new Row(List.of(prefix + name), stored, found, all(found), 0, false));
        return this;
    }

    /** Adds a parameter whose rows are stored as several tensors, in order. */
    TensorTable addParts(String parameter, Part... parts) {
        Parameter found = parameter(parameter);
        if (found == null) {
            return this;
        }
        Shape shape = found.getShape();
        Shape row = shape.slice(1);
        long begin = 0;
        for (Part part : parts) {
            long end = begin + part.count() * row.size();
            addRange(
                    found, part.name(), new Shape(part.count()).addAll(row), new Range(begin, end));
            begin = end;
        }
        return this;
    }

    /** Adds a tensor that is a range of a parameter's elements. */
    TensorTable addRange(Parameter parameter, String name, Shape shape, Range... ranges) {
        add(new Row(List.of(prefix + name), shape, parameter, List.of(ranges), 0, false));
        return this;
    }

    /** Adds a tensor that may be there beside the one whose values it repeats. */
    TensorTable addCopy(String parameter, String name) {
        Parameter found = parameter(parameter);
        add(new Row(List.of(prefix + name), found.getShape(), found, all(found), 0, true));
        return this;
    }

    /** Returns a parameter below this block, or null if there is none of that path. */
    Parameter parameter(String path) {
        String[] names = path.split("\\.");
        Block owner = descend(Arrays.copyOf(names, names.length - 1));
        return owner == null ? null : owner.getDirectParameters().get(names[names.length - 1]);
    }

    private Block descend(String[] names) {
        Block inner = block;
        for (int i = 0; i < names.length && inner != null; i++) {
            int bracket = names[i].indexOf('[');
            inner =
                    bracket < 0
                            ? child(inner, names[i], 0)
                            : child(
                                    inner,
                                    names[i].substring(0, bracket),
                                    index(names[i], bracket));
        }
        return inner;
    }

    /** Reads the number in brackets at the end of a name. */
    private static int index(String name, int bracket) {
        return Integer.parseInt(name.substring(bracket + 1, name.length() - 1));
    }

    /** Returns the rows, after checking that they cover the model. */
    List<Row> rows() {
        Map<Parameter, Long> mapped = new IdentityHashMap<>();
        for (Row row : rows) {
            if (!row.copy()) {
                mapped.merge(row.parameter(), row.shape().size(), Long::sum);
            }
        }
        for (Pair<String, Parameter> entry : model.getParameters()) {
            Parameter parameter = entry.getValue();
            if (mapped.getOrDefault(parameter, 0L) != parameter.getShape().size()) {
                throw new IllegalStateException(
                        "the table of the family maps "
                                + mapped.getOrDefault(parameter, 0L)
                                + " elements to "
                                + entry.getKey()
                                + " of shape "
                                + parameter.getShape());
            }
        }
        return List.copyOf(rows);
    }

    private void add(Row row) {
        if (rows.size() == MAX_ROWS) {
            throw new IllegalArgumentException(
                    "the configuration asks for more than " + MAX_ROWS + " tensors");
        }
        rows.add(row);
    }

    private static List<Range> all(Parameter parameter) {
        return List.of(new Range(0, parameter.getShape().size()));
    }

    /**
     * Finds a child by the name that it was added under, without the number that DJL puts first.
     */
    private static Block child(Block parent, String name, int index) {
        int left = index;
        for (Pair<String, Block> child : parent.getChildren()) {
            if (child.getKey().replaceFirst("^\\d+", "").equals(name) && left-- == 0) {
                return child.getValue();
            }
        }
        return null;
    }
}
