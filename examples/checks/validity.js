// Says of each document, one JSON string a line on standard input, whether graphql-js finds it valid by the
// schema that is named: a line with `valid`, or with what is wrong.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { buildSchema, parse, validate } from 'graphql';

const schema = buildSchema(readFileSync(process.argv[2], 'utf8'));

function verdict(text) {
  let document;
  try {
    document = parse(text);
  } catch (error) {
    return error.message;
  }
  const [first] = validate(schema, document, undefined, { maxErrors: 1 });
  return first ? first.message : 'valid';
}

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  process.stdout.write(JSON.stringify(verdict(JSON.parse(line))) + '\n');
}
