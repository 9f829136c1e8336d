import { fork, type ChildProcess } from 'node:child_process';
import path from 'node:path';

/** Lets a plain Node read TypeScript. */
const REGISTER = path.resolve(__dirname, '../patterns.register.cjs');

/** A program of the bench in a process of its own, that one asks and that answers. */
export interface ChildProgram<Question, Answer> {
  /** Asks and waits for the next answer. One question at a time. */
  ask(question: Question): Promise<Answer>;
  stop(): Promise<void>;
}

/** @param file - beside this one; it answers each message with one, and ends when we are gone */
export function startProgram<Question extends object, Answer>(file: string): ChildProgram<Question, Answer> {
  const child: ChildProcess = fork(path.join(__dirname, file), {
    execArgv: ['-r', REGISTER],
    serialization: 'advanced',
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return {
    ask: (question) =>
      new Promise<Answer>((resolve, reject) => {
        const fail = (): void => reject(new Error(`${file} has ended.`));
        child.once('exit', fail);
        child.once('message', (answer) => {
          child.off('exit', fail);
          resolve(answer as Answer);
        });
        child.send(question);
      }),
    async stop() {
      if (child.connected) child.disconnect();
      await ended;
    },
  };
}

/** The other side: answers messages until nobody is there to ask. */
export function serveProgram<Question, Answer>(answer: (question: Question) => Promise<Answer>): void {
  process.on('message', (question) => {
    void answer(question as Question).then((reply) => process.send?.(reply));
  });
  process.on('disconnect', () => process.exit(0));
}
