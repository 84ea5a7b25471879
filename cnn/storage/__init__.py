"""Files: written whole or not at all; arrays with a document of JSON; a net described in JSON."""
