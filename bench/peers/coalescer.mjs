/** Gathers what is asked for while the last groups are under way, and hands it over as one group. */
export class Coalescer {
  #waiting = [];
  #running = 0;
  #groupMax;
  #runningMax;
  #carry;

  /**
   * @param carry - takes a group; resolves with a result for each item, in their order
   * @param groupMax - items of one group
   * @param runningMax - groups at a time
   */
  constructor({ carry, groupMax, runningMax }) {
    this.#carry = carry;
    this.#groupMax = groupMax;
    this.#runningMax = runningMax;
  }

  /** Resolves with the item's result, or rejects as its group does. An item that comes alone is a group of one, at once. */
  add(item) {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      this.#next();
    });
  }

  #next() {
    if (this.#running >= this.#runningMax || this.#waiting.length === 0) return;
    const group = this.#waiting.splice(0, this.#groupMax);
    this.#running += 1;
    this.#carry(group.map(({ item }) => item))
      .then(
        (results) => group.forEach(({ resolve }, index) => resolve(results[index])),
        (error) => group.forEach(({ reject }) => reject(error)),
      )
      .finally(() => {
        this.#running -= 1;
        this.#next();
      });
  }
}
