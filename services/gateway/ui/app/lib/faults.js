/** What a server says is wrong with what was sent, field by field, and in words that can be translated where they are of a common kind. */

/** What the server says of a field, and what a reader is told instead; what is found takes the place of `{…}`. */
const KINDS = [
  [/^Field required$/, 'This is missing.'],
  [/^(?:String|List|Tuple|Set) should have at least 1 (?:character|item)\b/, 'This is missing.'],
  [/^String should have at least (?<n>\d+) characters?$/, 'At least {n} characters are needed.'],
  [/^String should have at most (?<n>\d+) characters?$/, 'At most {n} characters are allowed.'],
  [/^(?:List|Tuple|Set) should have at least (?<n>\d+) items? after validation/, 'At least {n} entries are needed.'],
  [/^(?:List|Tuple|Set) should have at most (?<n>\d+) items? after validation/, 'At most {n} entries are allowed.'],
  [/^Input should be a valid integer/, 'This must be a whole number.'],
  [/^Input should be a (?:valid|finite) (?:number|decimal)/, 'This must be a number.'],
  [/^Input should be greater than or equal to (?<n>\S+)$/, 'This must be {n} or more.'],
  [/^Input should be greater than (?<n>\S+)$/, 'This must be more than {n}.'],
  [/^Input should be less than or equal to (?<n>\S+)$/, 'This must be {n} or less.'],
  [/^Input should be less than (?<n>\S+)$/, 'This must be less than {n}.'],
  [/^(?:limit )?must be a whole number from (?<low>\d+) to (?<high>\d+)$/, 'This must be from {low} to {high}.'],
  [/^a threshold is from (?<low>\d+) to (?<high>\d+) percent$/, 'This must be from {low} to {high}.'],
  [/^(?<low>\d+) to (?<high>\d+) thresholds are allowed$/, 'From {low} to {high} entries are allowed.'],
  [/^at most half of chunk_size$/, 'This must be at most half of the characters of a passage.'],
  [/^value is not a valid email address/, 'This must be an e-mail address.'],
  [/^Input should be a valid URL|\ban http or https address$/, 'This must be an address that begins with https:// or http://.'],
  [/^url cannot be used: (?<why>.+)$/, 'It cannot be used: {why}.'],
  [/ is no origin: write /, 'These must be addresses such as https://example.com or https://*.example.com.'],
  [/^A user with this email already exists/, 'Somebody here has this e-mail address already.'],
];

/** `text` in words for readers: a sentence, what stands for its `{…}`, and whether it is of a common kind. */
function worded(text) {
  for (const [kind, sentence] of KINDS) {
    const found = kind.exec(text);
    if (found) return { text: sentence, values: { ...found.groups }, common: true };
  }
  return { text, values: {}, common: false };
}

/** Without the name of the field before it, which stands there anyway. */
function bare(text, at) {
  const names = [at, at.split('.').at(-1)];
  const name = names.find(one => text.startsWith(`${one}: `) || text.startsWith(`${one} must `));
  return name ? text.slice(name.length).replace(/^:? /, '') : text;
}

/** The faults of a problem document: `at` names a field as the interface does, such as `config.root_url`. */
export function faultsOf(problem) {
  const { detail, field } = problem ?? {};
  if (Array.isArray(detail)) {
    return detail.map(({ loc = [], msg }) => ({ at: loc.slice(1).join('.'), ...worded(msg.replace(/^Value error, /, '')) }));
  }
  return field && typeof detail === 'string' ? [{ at: field, ...worded(bare(detail, field)) }] : [];
}
