/** Tells the present moment. Time is a parameter everywhere, so that a test can move it. */
export type Clock = () => Date;

/** The machine's own clock. */
export const systemClock: Clock = () => new Date();
