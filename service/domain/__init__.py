"""The nouns that every layer shares: frozen data and errors. No I/O, no SQL, no names of Vapi's API."""
