/** Something that a load generator does over and over. */
export type Scenario = {
  /** Makes ready what the next so many steps need, so that making it is not measured. */
  prepare?(steps: number): Promise<void>;
  /**
   * Does it once. Steps of different workers run at the same time, those of one worker one after another.
   *
   * @param nth counts from 0 in each run
   * @param worker from 0 up to how many there are at once
   * @throws Error when the server's answer is not what it should be: a figure of errors is none
   */
  step(nth: number, worker: number): Promise<void>;
};
