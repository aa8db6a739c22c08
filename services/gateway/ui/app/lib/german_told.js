/** German of what services tell in English about sources and pages. A test tells what is missing. */

/** English to German; what stands in `{…}` is found there, told in German if that is known, and put here. `{url}` is an address. */
export const TOLD = [
  // What happens to a source
  ['{n} bytes of {type}', '{n} Bytes {type}'],
  ['{n} characters on {pages} pages', '{n} Zeichen auf {pages} Seiten'],
  ['{n} characters', '{n} Zeichen'],
  ['{n} remote documents with {chunks} chunks', '{n} entfernte Dokumente mit {chunks} Stellen'],
  ['{n} pages or documents', '{n} Seiten oder Dokumente'],
  ['revision {n} answers with {chunks} chunks', 'Fassung {n} antwortet mit {chunks} Stellen'],
  ['revision {n}: {chunks} chunks, {embedded} embedded', 'Fassung {n}: {chunks} Stellen, {embedded} davon eingebettet'],
  ['{done} of {all} chunks', '{done} von {all} Stellen'],
  ['{n} chunks', '{n} Stellen'],
  ['attempt {n}', 'Versuch {n}'],
  ['nothing changed', 'nichts hat sich geändert'],
  ['every child that is not being processed', 'jede Unterquelle, die nicht gerade in Arbeit ist'],
  ['the deletion is taken back; revision {n} again', 'die Löschung ist zurückgenommen; wieder Fassung {n}'],
  ['the last change is taken back; revision {n} again', 'die letzte Änderung ist zurückgenommen; wieder Fassung {n}'],
  ['the deletion is taken back', 'die Löschung ist zurückgenommen'],
  ['the last change is taken back', 'die letzte Änderung ist zurückgenommen'],
  ['waiting for the provider until {time}: {reason}', 'wartet auf den Anbieter bis {time}: {reason}'],
  ['the provider takes no more for now', 'der Anbieter nimmt vorerst nichts mehr an'],
  ['the embedding model asks for a pause', 'das Einbettungsmodell bittet um eine Pause'],
  // Why a page is not imported
  ['robots.txt does not allow it', 'robots.txt erlaubt es nicht'],
  ['more than {n} links away from the root', 'mehr als {n} Links vom Anfang entfernt'],
  ['not among what is to be included', 'nicht unter dem, was aufgenommen werden soll'],
  ['excluded', 'ausgeschlossen'],
  ['beyond the first {n} pages', 'jenseits der ersten {n} Seiten'],
  ['leads to another site: {url}', 'führt auf eine andere Website: {url}'],
  ['leads to itself', 'führt zu sich selbst'],
  ['leads to {url}', 'führt zu {url}'],
  ['the page asks not to be indexed', 'die Seite bittet darum, nicht aufgenommen zu werden'],
  ['the same as {url}', 'dasselbe wie {url}'],
  ['there is no text on it', 'es steht kein Text darauf'],
  ['holds the same text as {url}', 'hat denselben Text wie {url}'],
  // Notes of a preview
  ['not every sitemap was read', 'nicht jede Sitemap wurde gelesen'],
  ['the site is too slow for a preview of everything', 'die Website ist zu langsam für eine Vorschau von allem'],
  ['the root leads to another site: {site}', 'der Anfang führt auf eine andere Website: {site}'],
  ['{url}: {reason}', '{url}: {reason}'],
  // Why an import ends
  ['The root may not be fetched: {reason}', 'Der Anfang darf nicht geholt werden: {reason}'],
  ['robots.txt cannot be read: {reason}', 'robots.txt lässt sich nicht lesen: {reason}'],
  ['The import was cancelled before a page was imported', 'Der Import wurde abgebrochen, ehe eine Seite importiert war'],
  ['The import failed at every attempt: {reason}', 'Der Import ist bei jedem Versuch gescheitert: {reason}'],
  ['The source was deleted or is imported anew', 'Die Quelle wurde gelöscht oder wird neu importiert'],
  ['No page could be imported: {reason}', 'Keine Seite ließ sich importieren: {reason}'],
  ['No page could be imported', 'Keine Seite ließ sich importieren'],
  // Why something cannot be fetched
  ['The server says that nothing changed', 'Der Server sagt, dass sich nichts geändert hat'],
  ['The server redirects to nowhere', 'Der Server leitet ins Leere um'],
  ['The server redirects without end', 'Der Server leitet ohne Ende um'],
  ['The server did not finish within {n} seconds', 'Der Server wurde nicht binnen {n} Sekunden fertig'],
  ['The server cannot be reached: {reason}', 'Der Server ist nicht erreichbar: {reason}'],
  ['The server answered {reason}', 'Der Server antwortete {reason}'],
  ['The address is not allowed: {reason}', 'Die Adresse ist nicht erlaubt: {reason}'],
  ['{host} may not be reached: {reason}', '{host} darf nicht erreicht werden: {reason}'],
  ['it leads to {reason}', 'sie führt zu: {reason}'],
  ['an unspecified address', 'eine unbestimmte Adresse'],
  ['a loopback address', 'eine Adresse des Rechners selbst'],
  ['a private address', 'eine private Adresse'],
  ['a link-local address', 'eine Adresse nur dieses Netzes'],
  ['a carrier-grade NAT address', 'eine Adresse hinter dem NAT eines Providers'],
  ['a protocol assignment', 'eine Adresse für Protokolle'],
  ['a documentation address', 'eine Adresse für Beispiele'],
  ['a benchmarking address', 'eine Adresse für Messungen'],
  ['a multicast address', 'eine Multicast-Adresse'],
  ['a reserved address', 'eine reservierte Adresse'],
  ['a discard address', 'eine Adresse, die alles verwirft'],
  ['a segment routing address', 'eine Adresse für Segment-Routing'],
  ['a translation of an IPv4 address', 'eine übersetzte IPv4-Adresse'],
  ['the address of a cloud platform', 'die Adresse einer Cloud-Plattform'],
  ['port {n} is not one of {ports}', 'Port {n} ist keiner von {ports}'],
  ['{host} sends more than {n} MB', '{host} sendet mehr als {n} MB'],
  ['All connection attempts failed', 'jeder Versuch einer Verbindung ist gescheitert'],
  ['the name {host} could not be resolved', 'der Name {host} ließ sich nicht auflösen'],
  ['The knowledge API did not answer within {n} seconds', 'Die Wissens-API hat nicht binnen {n} Sekunden geantwortet'],
  ['The knowledge API cannot be asked', 'Die Wissens-API lässt sich nicht fragen'],
  ['The knowledge API cannot be reached: {reason}', 'Die Wissens-API ist nicht erreichbar: {reason}'],
  ['The knowledge API answered {code}: {reason}', 'Die Wissens-API antwortete {code}: {reason}'],
  ['no list of documents', 'keine Liste von Dokumenten'],
  // Why something cannot be read
  ['The document cannot be read: it has more than {n} pages that are pictures: split it', 'Das Dokument lässt sich nicht lesen: Mehr als {n} seiner Seiten sind Bilder; teilen Sie es'],
  ['The document cannot be read: {reason}', 'Das Dokument lässt sich nicht lesen: {reason}'],
  ['it {reason}; split it into smaller files, or save it anew in a simpler form', 'es {reason}; teilen Sie es in kleinere Dateien, oder speichern Sie es neu in einfacherer Form'],
  ['needs more memory than is allowed, or is broken', 'braucht mehr Speicher als erlaubt, oder ist beschädigt'],
  ['needs more memory than is allowed', 'braucht mehr Speicher als erlaubt'],
  ['it needs too much memory', 'braucht zu viel Speicher'],
  ['took longer than {n} seconds', 'brauchte länger als {n} Sekunden'],
  ['Reading robots.txt {reason}', 'Das Lesen der robots.txt {reason}'],
  ['Reading the sitemap {reason}', 'Das Lesen der Sitemap {reason}'],
  ['Reading the page {reason}', 'Das Lesen der Seite {reason}'],
  ['The sitemap cannot be read: {reason}', 'Die Sitemap lässt sich nicht lesen: {reason}'],
  ['it is not XML', 'sie ist kein XML'],
  ['the compressed file is damaged', 'die gepackte Datei ist beschädigt'],
  ['it has more than {n} million characters: split it', 'es hat mehr als {n} Millionen Zeichen: teilen Sie es'],
  ['it has more than {n} MB', 'sie hat mehr als {n} MB'],
  ['it is no document ({kind})', 'es ist kein Dokument ({kind})'],
  ['of unknown type', 'unbekannter Art'],
  ['the file is no mail: it is not text', 'die Datei ist keine E-Mail: sie ist kein Text'],
  ['the content is not text; upload it with the ending of its kind', 'der Inhalt ist kein Text; laden Sie ihn mit der Endung seiner Art hoch'],
  ['{kind} cannot be read yet', '{kind} lässt sich noch nicht lesen'],
  ['this kind of content', 'diese Art von Inhalt'],
  ['the content is not text', 'der Inhalt ist kein Text'],
  ['the encoding of the text cannot be told', 'die Kodierung des Textes ist nicht zu erkennen'],
  ['the page is empty or not HTML', 'die Seite ist leer oder kein HTML'],
  ['the PDF has more than {n} pages: split it', 'das PDF hat mehr als {n} Seiten: teilen Sie es'],
  ['Chunking produced no output', 'Das Zerlegen ergab nichts'],
  ['No content to ingest: there is no text in it', 'Nichts da, was gelesen werden könnte: Es ist kein Text darin'],
  ['No content to ingest', 'Nichts da, was gelesen werden könnte'],
  ['No API token configured', 'Kein API-Token gesetzt'],
  ['No address to fetch', 'Keine Adresse, die geholt werden könnte'],
  // Why something is not made searchable
  ['Ingestion failed at every attempt: {reason}', 'Das Einlesen ist bei jedem Versuch gescheitert: {reason}'],
  ['Ingestion could not go on after a pause of the provider: {reason}', 'Das Einlesen ging nach einer Pause des Anbieters nicht weiter: {reason}'],
  ['Re-indexing failed at every attempt: {reason}', 'Der neue Index ist bei jedem Versuch gescheitert: {reason}'],
  ['The provider of the embedding model took nothing for a day: {reason}', 'Der Anbieter des Einbettungsmodells nahm einen Tag lang nichts an: {reason}'],
  ['The embedding model {model} is not installed here: it needs the extra minilm', 'Das Einbettungsmodell {model} ist hier nicht installiert: Es braucht das Extra minilm'],
  ['The embedding model {model} has no key any more', 'Das Einbettungsmodell {model} hat keinen Schlüssel mehr'],
  ['The embedding model {model} gives vectors of different lengths', 'Das Einbettungsmodell {model} gibt Vektoren verschiedener Länge'],
  ['The embedding model {model} gives no vector for some texts', 'Das Einbettungsmodell {model} gibt für manche Texte keinen Vektor'],
  ['The embedding model {model} refuses: check its name and key', 'Das Einbettungsmodell {model} lehnt ab: Prüfen Sie Namen und Schlüssel'],
  ['The embedding model {model} answers {status}', 'Das Einbettungsmodell {model} antwortet {status}'],
  ['There is no key for the embedding model {model}', 'Für das Einbettungsmodell {model} gibt es keinen Schlüssel'],
  ['The key for the embedding model {model} is not accepted', 'Der Schlüssel für das Einbettungsmodell {model} wird nicht angenommen'],
  ['The address of the embedding model cannot be used', 'Die Adresse des Einbettungsmodells lässt sich nicht benutzen'],
  ['The server does not speak of embeddings for {model}', 'Der Server gibt keine Einbettungen für {model}'],
  ['This installation lacks LiteLLM: install the extra embedders', 'Dieser Installation fehlt LiteLLM: Installieren Sie das Extra embedders'],
];

const PLACE = /\{(\w+)\}/g;
const compiled = TOLD.map(([english, german]) => {
  const names = [...english.matchAll(PLACE)].map(([, name]) => name);
  const parts = english.split(/\{\w+\}/).map(part => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  const pattern = parts.map((part, i) => part + (i < names.length ? (names[i] === 'url' ? '(https?:\\S+)' : '(.+?)') : '')).join('');
  return { pattern: new RegExp(`^${pattern}$`, 's'), names, german };
});

/** The text in German as far as it is known. */
export function inGerman(text) {
  for (const { pattern, names, german } of compiled) {
    const found = pattern.exec(text);
    if (found) return german.replace(PLACE, (_, name) => inGerman(found[1 + names.indexOf(name)]));
  }
  return text;
}
