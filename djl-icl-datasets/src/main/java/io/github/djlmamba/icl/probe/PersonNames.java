/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl.probe;

import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;

/** First names and surnames in English, joined at random; no pair is drawn twice. */
final class PersonNames {

    private static final List<String> FIRST =
            words(
                    """
                    Aaron Abigail Adam Alan Albert Alice Amanda Amy Andrea Andrew Angela Anna Anthony
                    Arthur Ashley Barbara Benjamin Betty Beverly Bradley Brandon Brenda Brian Bruce Bryan
                    Carl Carol Caroline Catherine Charles Charlotte Cheryl Christine Clara Colin Craig
                    Cynthia Daniel David Deborah Dennis Diana Diane Donald Donna Dorothy Douglas Dylan
                    Edward Eleanor Elizabeth Emily Emma Eric Ethan Eugene Evelyn Frances Frank Gabriel
                    Gary George Gerald Gloria Grace Gregory Hannah Harold Heather Helen Henry Howard
                    Isabel Jack Jacob James Janet Janice Jason Jean Jeffrey Jennifer Jeremy Jessica
                    Joan John Jonathan Jordan Joseph Joshua Joyce Judith Julia Justin Karen Katherine
                    Keith Kelly Kenneth Kevin Kimberly Kyle Larry Laura Lauren Lawrence Leonard Linda
                    Lisa Logan Louis Lucy Madison Margaret Maria Marilyn Mark Martha Martin Mary
                    Matthew Megan Melissa Michael Michelle Mildred Nancy Natalie Nathan Nicholas Nicole
                    Noah Nora Oliver Olivia Pamela Patricia Patrick Paul Peter Philip Rachel Ralph
                    Raymond Rebecca Richard Robert Roger Ronald Rose Russell Ruth Ryan Samantha Samuel
                    Sandra Sarah Scott Sean Sharon Shirley Simon Sophia Stephanie Stephen Steven Susan
                    Teresa Theodore Theresa Thomas Timothy Tyler Victor Victoria Vincent Virginia Walter
                    Wayne William Zachary
                    """);

    private static final List<String> LAST =
            words(
                    """
                    Adams Adkins Alexander Allen Anderson Andrews Armstrong Arnold Atkins Austin Bailey
                    Baker Baldwin Ball Barker Barnes Barnett Barrett Barton Bates Beck Bell Bennett Berry
                    Bishop Black Blair Blake Bowen Bowman Boyd Bradford Brady Brewer Briggs Brooks Brown
                    Bryant Burgess Burke Burns Burton Bush Butler Byrd Caldwell Campbell Carlson Carpenter
                    Carr Carroll Carter Chambers Chandler Chapman Clark Clarke Cole Coleman Collins Cook
                    Cooper Cox Crawford Cross Cunningham Curtis Daniels Davidson Davis Dawson Day Dean
                    Dixon Douglas Doyle Duncan Dunn Edwards Elliott Ellis Evans Farmer Ferguson Fields
                    Fisher Fleming Fletcher Ford Foster Fowler Fox Francis Franklin Freeman Fuller Gardner
                    Garrett George Gibson Gilbert Glover Goodman Goodwin Gordon Graham Grant Graves Gray
                    Green Greene Gregory Griffin Griffith Hale Hall Hamilton Hammond Hansen Hardy Harmon
                    Harper Harris Harrison Harvey Hayes Henderson Henry Hicks Higgins Hill Hodges Holland
                    Holmes Holt Hopkins Horton Howard Howell Hudson Hughes Hunt Hunter Ingram Jackson
                    Jacobs James Jenkins Jennings Jensen Johnson Johnston Jones Jordan Keller Kelley Kelly
                    Kennedy King Knight Lambert Lane Larson Lawson Lee Leonard Lewis Little Logan Long
                    Lowe Lucas Lynch Lyons Mann Manning Marsh Marshall Martin Mason Matthews Maxwell
                    McCarthy McDonald McGuire Miles Miller Mills Mitchell Moody Moore Morgan Morris
                    Morrison Moss Mullins Murphy Murray Myers Nash Nelson Newman Newton Nichols Norman
                    Norris Norton Oliver Olson Osborne Owens Page Palmer Parker Parsons Patterson Payne
                    Pearson Perkins Perry Peters Phillips Pierce Poole Porter Potter Powell Price Quinn
                    Ramsey Reed Reese Reeves Reynolds Rhodes Rice Richards Richardson Riley Roberts
                    Robertson Robinson Rogers Ross Rowe Russell Ryan Sanders Saunders Schmidt Schneider
                    Scott Sharp Shaw Shelton Sherman Simmons Simpson Sims Smith Snyder Sparks Spencer
                    Stanley Steele Stephens Stevens Stewart Stokes Stone Strickland Sullivan Sutton Swanson
                    Taylor Terry Thomas Thompson Thornton Todd Townsend Tucker Turner Tyler Underwood
                    Vaughn Wade Wagner Walker Wallace Walsh Walters Walton Ward Warner Warren Watkins
                    Watson Watts Weaver Webb Webster Welch Wells West Wheeler White Wilkins Wilkinson
                    Williams Williamson Willis Wilson Wise Wolfe Wood Woods Wright Yates Young
                    """);

    private final Set<Integer> drawn = new HashSet<>();

    /** Returns how many names there are. */
    static int count() {
        return FIRST.size() * LAST.size();
    }

    /** Returns a name that has not been drawn before. */
    String next(Random random) {
        int first;
        int last;
        do {
            first = random.nextInt(FIRST.size());
            last = random.nextInt(LAST.size());
        } while (!drawn.add(first * LAST.size() + last));
        return FIRST.get(first) + " " + LAST.get(last);
    }

    private static List<String> words(String text) {
        return List.of(text.strip().split("\\s+"));
    }
}
