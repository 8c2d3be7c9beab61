"""The nouns that all layers share: frozen data and errors. No I/O, no SQL, no names of Vapi's API."""
