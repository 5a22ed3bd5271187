/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl.probe;

import java.util.Iterator;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.apiguardian.api.API;

/**
 * Sentences in English by a small grammar: a haystack that needs no file.
 *
 * <p>They are varied, grammatical and without connection, and hold no digits. Immutable and safe
 * for use by several threads.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class FillerGrammar implements FillerText {

    private static final List<String> PERSONS =
            phrases(
                    """
                    baker, teacher, sailor, farmer, nurse, painter, clerk, driver, cook, tailor, singer,
                    postman, carpenter, doctor, gardener, student, neighbour, visitor, traveller, guide,
                    printer, librarian, shepherd, weaver, mechanic, dancer, lawyer, miller, plumber, child
                    """);
    private static final List<String> THINGS =
            phrases(
                    """
                    table, letter, basket, bicycle, lamp, kettle, blanket, ladder, map, notebook, piano,
                    bottle, bucket, chair, clock, coat, drawer, fence, guitar, hammer, umbrella, wagon,
                    mirror, picture, rope, shovel, suitcase, teapot, trunk, wheel
                    """);
    private static final List<String> ADJECTIVES =
            phrases(
                    """
                    old, young, quiet, cheerful, tired, careful, small, tall, patient, curious, friendly,
                    busy, gentle, honest, clever, lazy, nervous, polite, proud, serious, stubborn, calm
                    """);
    private static final List<String> QUALITIES =
            phrases(
                    """
                    heavy, broken, wooden, dusty, empty, painted, narrow, round, large, borrowed, rusty,
                    polished, simple, useful, strange, new, plain, thin, worn, shiny, cracked, light
                    """);
    private static final List<String> DEEDS =
            phrases(
                    """
                    carried, found, sold, mended, painted, forgot, borrowed, lifted, cleaned, hid, noticed,
                    described, dropped, measured, ordered, wanted, kept, returned, showed, admired, bought
                    """);
    private static final List<String> MOVES =
            phrases(
                    """
                    walked, waited, sang, slept, laughed, stood, worked, rested, talked, arrived, stopped,
                    listened, hurried, sat, read, whistled, argued, danced, ate, wandered
                    """);
    private static final List<String> PLACES =
            phrases(
                    """
                    in the kitchen, near the river, behind the school, at the market, by the window,
                    on the bridge, under the trees, in the garden, outside the church, at the station,
                    along the road, beside the stove, in the yard, on the stairs, at the corner,
                    near the mill, in the hall, across the field, by the well, in front of the shop
                    """);
    private static final List<String> TIMES =
            phrases(
                    """
                    in the morning, after supper, before sunrise, on Sunday, last winter, late at night,
                    during the storm, in spring, at noon, after the concert, before the holidays,
                    that evening, on a rainy day, early in autumn, in the meantime, a little later
                    """);
    private static final List<String> LINKS =
            phrases("because, while, although, so that, before, after, when, until, as soon as");

    @Override
    public Iterator<String> sentences(Random random) {
        return Stream.generate(() -> sentence(random)).iterator();
    }

    private static String sentence(Random random) {
        String sentence =
                switch (random.nextInt(6)) {
                    case 0 -> clause(random);
                    case 1 -> clause(random) + " " + one(TIMES, random);
                    case 2 -> one(TIMES, random) + ", " + clause(random);
                    case 3 -> clause(random) + " " + one(LINKS, random) + " " + clause(random);
                    case 4 -> clause(random) + ", and " + clause(random);
                    default -> description(random);
                };
        return Character.toUpperCase(sentence.charAt(0)) + sentence.substring(1) + ".";
    }

    private static String clause(Random random) {
        String subject = person(random);
        return switch (random.nextInt(3)) {
            case 0 -> subject + " " + one(DEEDS, random) + " " + thing(random);
            case 1 ->
                    subject
                            + " "
                            + one(DEEDS, random)
                            + " "
                            + thing(random)
                            + " "
                            + one(PLACES, random);
            default -> subject + " " + one(MOVES, random) + " " + one(PLACES, random);
        };
    }

    private static String description(Random random) {
        return thing(random)
                + " "
                + one(PLACES, random)
                + " was "
                + one(QUALITIES, random)
                + ", but "
                + person(random)
                + " "
                + one(DEEDS, random)
                + " it";
    }

    private static String person(Random random) {
        return "the " + described(ADJECTIVES, PERSONS, random);
    }

    private static String thing(Random random) {
        return "the " + described(QUALITIES, THINGS, random);
    }

    private static String described(List<String> adjectives, List<String> nouns, Random random) {
        String noun = one(nouns, random);
        return random.nextBoolean() ? one(adjectives, random) + " " + noun : noun;
    }

    private static String one(List<String> phrases, Random random) {
        return phrases.get(random.nextInt(phrases.size()));
    }

    private static List<String> phrases(String text) {
        return List.of(text.strip().split(",\\s+"));
    }
}
