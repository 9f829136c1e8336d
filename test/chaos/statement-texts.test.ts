import { spellingStatements } from './statement-texts';

const NAME = `aftercommit_${'0123456789abcdef'.repeat(2)}`;
const OTHER = `aftercommit_${'fedcba9876543210'.repeat(2)}`;
/** As PostgreSQL's protocol has them: the name of a statement, ended by a zero byte, and what follows it. */
const parse = (name: string, text: string): Buffer => Buffer.from(`P....${name}\0${text}\0\0\0`);
const bind = (name: string, value: string): Buffer => Buffer.from(`B....\0${name}\0\0\0\0\x01${value}`);

it('spells out the statement that a piece only names, on whatever connection it was parsed', () => {
  const spell = spellingStatements();
  spell(parse(NAME, 'select commit_orders($1)'));
  spell(parse(OTHER, 'update deliveries'));

  expect(spell(bind(NAME, 'order 1')).toString()).toContain('select commit_orders($1)');
  expect(spell(bind(NAME, 'order 1')).toString()).toContain('order 1');
  expect(spell(bind(OTHER, 'x')).toString()).not.toContain('commit_orders');
});

it('adds nothing to what it does not know', () => {
  const piece = bind(NAME, 'order 1');

  expect(spellingStatements()(piece)).toEqual(piece);
});
