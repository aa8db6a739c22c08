/** German, by the English text. A test tells what is missing. */

export const GERMAN = {
  // Frame
  'Overview': 'Übersicht', 'Bots': 'Bots', 'Sources': 'Quellen', 'Chats': 'Chats', 'Keys and tokens': 'Schlüssel und Tokens',
  'Team': 'Team', 'Settings': 'Einstellungen', 'Set up a bot': 'Bot einrichten', 'Go to': 'Gehe zu', 'Go to a page': 'Zu einer Seite gehen',
  'Go to…': 'Gehe zu…', 'Pages': 'Seiten', 'Tools': 'Werkzeuge', 'Not found': 'Nicht gefunden', 'Light theme': 'Helles Design',
  'Dark theme': 'Dunkles Design', 'Sign out': 'Abmelden', 'Skip to the content': 'Zum Inhalt springen', 'Main': 'Hauptnavigation',
  'API reference': 'API-Referenz', 'There is no such page': 'Diese Seite gibt es nicht', 'Loading…': 'Wird geladen…', 'Try again': 'Erneut versuchen',
  'Close': 'Schließen', 'Cancel': 'Abbrechen', 'One moment…': 'Einen Moment…', 'Copy': 'Kopieren', 'Copied.': 'Kopiert.',
  'Copying is not allowed here; select the text.': 'Kopieren ist hier nicht erlaubt; markieren Sie den Text.',
  'That did not work. Try again.': 'Das hat nicht geklappt. Versuchen Sie es noch einmal.', 'No connection.': 'Keine Verbindung.',
  'It is stored, and will be done as soon as the service is back.': 'Es ist gespeichert und wird erledigt, sobald der Dienst zurück ist.',
  '1 row': '1 Zeile', '{n} rows': '{n} Zeilen', 'Previous page': 'Vorige Seite', 'Next page': 'Nächste Seite', 'Parts': 'Teile',
  'Filter…': 'Filtern…', 'Save': 'Speichern', 'Saved.': 'Gespeichert.', 'Name': 'Name', 'State': 'Zustand', 'Changed': 'Geändert', 'never': 'nie',
  // States and kinds
  'ready': 'bereit', 'processing': 'in Arbeit', 'pending': 'wartet', 'error': 'Fehler', 'live': 'aktiv', 'off': 'aus', 'revoked': 'widerrufen',
  'expired': 'abgelaufen', 'all': 'alle', 'Website': 'Website', 'nyxcore': 'nyxcore',
  'member': 'Mitglied', 'admin': 'Admin', 'owner': 'Inhaber',
  // Signing in
  'Sign in': 'Anmelden', 'E-mail': 'E-Mail', 'Password': 'Passwort', 'Workspace': 'Arbeitsbereich', 'You have accounts in several.': 'Sie haben Konten in mehreren.',
  'Create the workspace': 'Arbeitsbereich anlegen', 'Company or project': 'Firma oder Projekt', 'Your name': 'Ihr Name', 'At least 8 characters.': 'Mindestens 8 Zeichen.',
  'Answers from your own sources': 'Antworten aus Ihren eigenen Quellen', 'Welcome back': 'Willkommen zurück', 'You have an account already?': 'Sie haben schon ein Konto?',
  'New here?': 'Neu hier?', 'Sign in instead': 'Stattdessen anmelden', 'Create a workspace': 'Arbeitsbereich anlegen',
  // First run
  'Give it something to read, ask it something, and take it to your website.': 'Geben Sie ihm etwas zu lesen, fragen Sie es etwas, und nehmen Sie es mit auf Ihre Website.',
  'Give it something to read': 'Geben Sie ihm etwas zu lesen', 'Ask it something': 'Fragen Sie es etwas', 'Put it on your website': 'Setzen Sie es auf Ihre Website',
  'Assistant': 'Assistent', 'Answer the questions of our visitors, briefly and in a friendly tone.': 'Beantworte die Fragen unserer Besucher kurz und freundlich.',
  'Read it': 'Lesen', 'Name of the bot': 'Name des Bots', '{bot} reads {source}': '{bot} liest {source}', 'As soon as it has read.': 'Sobald es gelesen hat.',
  'Go on with this bot': 'Mit diesem Bot weitermachen', 'What should it read?': 'Was soll es lesen?', 'Web page': 'Webseite', 'File': 'Datei', 'Text': 'Text',
  'Address': 'Adresse', 'Read again': 'Erneut lesen', 'every hour': 'jede Stunde', 'every day': 'jeden Tag', 'every week': 'jede Woche',
  'Text, Markdown, CSV, HTML, PDF or Word, up to 10 MB.': 'Text, Markdown, CSV, HTML, PDF oder Word, bis 10 MB.', 'The file is larger than 10 MB.': 'Die Datei ist größer als 10 MB.',
  'Title': 'Titel', 'Add source': 'Quelle hinzufügen', '1 passage': '1 Stelle', '{n} passages': '{n} Stellen',
  'Added': 'Hinzugefügt', 'Waiting for its turn': 'Wartet, bis es dran ist', 'Reading': 'Wird gelesen', 'Read': 'Gelesen', 'Cut into passages': 'In Stellen zerlegt',
  'Ready to answer': 'Bereit zu antworten', 'Unchanged since last time': 'Unverändert seit dem letzten Mal', 'Failed': 'Fehlgeschlagen', 'Deleted': 'Gelöscht',
  // Embedding
  'A public key may stand in a page: it opens this bot only, and only on the sites that you name.': 'Ein öffentlicher Schlüssel darf in einer Seite stehen: Er öffnet nur diesen Bot, und nur auf den Websites, die Sie nennen.',
  'Make the code': 'Code erzeugen', 'Your website': 'Ihre Website', 'Several are separated by commas.': 'Mehrere werden durch Kommas getrennt.',
  'Put this before the end of your page': 'Setzen Sie dies vor das Ende Ihrer Seite', 'Embed code': 'Einbettungscode', 'Allowed on:': 'Erlaubt auf:', 'no site yet': 'noch keiner Website', 'change': 'ändern',
  'Open the demo page': 'Demoseite öffnen', 'Title of the window': 'Titel des Fensters', 'Greeting': 'Begrüßung', 'Questions to begin with': 'Fragen für den Anfang', 'Separated by |': 'Durch | getrennt',
  'Highlight': 'Markierung', 'Button': 'Knopf', 'Corner': 'Ecke', 'right': 'rechts', 'left': 'links', 'Theme': 'Design', 'as the visitor has it': 'wie beim Besucher', 'light': 'hell', 'dark': 'dunkel',
  'Language': 'Sprache', 'as the page': 'wie die Seite',
  // Overview
  'Hello, {name}': 'Hallo, {name}', 'No bot yet': 'Noch kein Bot', 'Name a web page, and in a minute a bot answers from it.': 'Nennen Sie eine Webseite, und in einer Minute antwortet ein Bot daraus.',
  '1 source stands behind your answers.': '1 Quelle steht hinter Ihren Antworten.', '{n} sources stand behind your answers.': '{n} Quellen stehen hinter Ihren Antworten.', 'Passages': 'Stellen', '1 source': '1 Quelle', '{n} sources': '{n} Quellen', 'Tokens': 'Tokens', 'in these chats': 'in diesen Chats',
  'Latest chats': 'Neueste Chats', 'All chats': 'Alle Chats', 'Nobody has asked anything yet.': 'Noch hat niemand etwas gefragt.', '(empty)': '(leer)', 'What needs you': 'Was Sie braucht',
  'Nothing. Every source is well.': 'Nichts. Allen Quellen geht es gut.',
  // Bots
  'Try it': 'Ausprobieren', 'Embed': 'Einbetten', '(unnamed)': '(ohne Namen)', 'Model': 'Modell', 'Each reads its own sources and answers in its own way.': 'Jeder liest seine eigenen Quellen und antwortet auf seine Weise.',
  'New bot': 'Neuer Bot', 'Saved. The next answer uses it.': 'Gespeichert. Die nächste Antwort nutzt es.', 'Description': 'Beschreibung', 'Instructions': 'Anweisungen',
  'How it should answer. What it knows comes from the sources.': 'Wie er antworten soll. Was er weiß, kommt aus den Quellen.', 'Any LiteLLM name, or local/extractive, which needs no key.': 'Ein beliebiger LiteLLM-Name, oder local/extractive, das keinen Schlüssel braucht.',
  'API key': 'API-Schlüssel', 'One is kept; it is never shown.': 'Einer ist hinterlegt; er wird nie gezeigt.', 'None is kept.': 'Keiner ist hinterlegt.', 'API address': 'API-Adresse', 'For compatible servers.': 'Für kompatible Server.',
  'Temperature': 'Temperatur', 'Longest answer, in tokens': 'Längste Antwort, in Tokens', 'It answers': 'Er antwortet', 'Ask what your visitors ask.': 'Fragen Sie, was Ihre Besucher fragen.',
  'First word after {first} s, all after {all} s · {n} tokens': 'Erstes Wort nach {first} s, alles nach {all} s · {n} Tokens', 'from the sources': 'aus den Quellen', 'not in the sources': 'nicht in den Quellen',
  'Switch off': 'Abschalten', 'Visitors get no answer any more.': 'Besucher bekommen keine Antwort mehr.',
  // Sources
  'What your bots may quote.': 'Was Ihre Bots zitieren dürfen.', 'Source': 'Quelle', 'Deleted. It is quoted no more.': 'Gelöscht. Sie wird nicht mehr zitiert.', 'Kind': 'Art', 'Last read': 'Zuletzt gelesen',
  'Read it now': 'Jetzt lesen', 'Delete': 'Löschen', 'No answer will quote it any more.': 'Keine Antwort zitiert sie mehr.', 'Bot': 'Bot', 'A source belongs to a bot.': 'Eine Quelle gehört zu einem Bot.',
  'Filter sources': 'Quellen filtern', 'All bots': 'Alle Bots', 'Nothing to quote yet': 'Noch nichts zu zitieren', 'Add a web page, a file or a text.': 'Fügen Sie eine Webseite, eine Datei oder einen Text hinzu.',
  // Chats
  'Question': 'Frage', 'Messages': 'Nachrichten', 'Begun': 'Begonnen', 'The latest {n}.': 'Die neuesten {n}.', 'Filter chats': 'Chats filtern', 'Nobody has asked anything yet': 'Noch hat niemand etwas gefragt',
  'Put a bot on your website, or try it yourself.': 'Setzen Sie einen Bot auf Ihre Website, oder probieren Sie ihn selbst aus.', 'Visitor': 'Besucher', 'Helpful': 'Hilfreich', 'Not helpful': 'Nicht hilfreich',
  // Keys and tokens
  'A public key may stand in a page. A secret token never may.': 'Ein öffentlicher Schlüssel darf in einer Seite stehen. Ein geheimes Token nie.', 'Public keys for websites': 'Öffentliche Schlüssel für Websites',
  'New key': 'Neuer Schlüssel', 'None yet. A bot gets its key with its embed code.': 'Noch keine. Ein Bot bekommt seinen Schlüssel mit dem Einbettungscode.', 'Public keys': 'Öffentliche Schlüssel', 'Key': 'Schlüssel', 'Sites': 'Websites',
  'One in each line, such as https://example.com or https://*.example.com': 'Eine je Zeile, etwa https://example.com oder https://*.example.com', 'Questions of a visitor per hour': 'Fragen eines Besuchers pro Stunde', 'Questions per day': 'Fragen pro Tag',
  'Revoke': 'Widerrufen', 'It stops at once.': 'Er gilt sofort nicht mehr.', 'Secret tokens for programs': 'Geheime Tokens für Programme', 'New token': 'Neues Token', 'No tokens': 'Keine Tokens', 'Secret tokens': 'Geheime Tokens',
  'Token': 'Token', 'May': 'Darf', 'all that its maker may': 'alles, was sein Ersteller darf', 'Last used': 'Zuletzt benutzt', 'Ends': 'Endet', 'Make it': 'Erzeugen', 'Where it will be used.': 'Wo es benutzt wird.', 'Ends after': 'Endet nach', '{n} days': '{n} Tagen',
  'Your new token': 'Ihr neues Token', 'It is shown this once. Keep it where passwords are kept.': 'Es wird nur dieses eine Mal gezeigt. Bewahren Sie es dort auf, wo Passwörter liegen.', 'It will not be shown again.': 'Es wird nicht noch einmal gezeigt.', 'I have kept it': 'Ich habe es verwahrt',
  // Team and settings
  'Everybody here sees the same bots, sources and chats.': 'Alle hier sehen dieselben Bots, Quellen und Chats.', 'Add a person': 'Person hinzufügen', 'Add': 'Hinzufügen', 'Role': 'Rolle', 'Remove': 'Entfernen', 'All sessions of this person end.': 'Alle Sitzungen dieser Person enden.',
  'First password': 'Erstes Passwort', 'At least 8 characters. Hand it over, to be changed.': 'Mindestens 8 Zeichen. Geben Sie es weiter, damit es geändert wird.', 'reads and chats': 'liest und chattet',
  'also changes bots, sources, keys and people': 'ändert auch Bots, Quellen, Schlüssel und Personen', 'also manages owners': 'verwaltet auch Inhaber', 'Your password': 'Ihr Passwort', 'Change it': 'Ändern', 'The present one': 'Das jetzige', 'The new one': 'Das neue',
  'Changed. Your other sessions have ended.': 'Geändert. Ihre anderen Sitzungen sind beendet.', 'How everything does': 'Wie es allem geht',
};
