/**
 * What the trainings of the zoo's models share: a run in a folder that can be resumed, its losses,
 * and schedules of the learning rate.
 */
package io.github.djlmamba.zoo.training;
