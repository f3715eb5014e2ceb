// simdjson, for bench/json: its tree ("DOM"), by one parser that keeps its memory.
#include <simdjson.h>

#include "bench/json_libraries.h"

static simdjson::dom::parser parser;

static void *simdjson_read(const document *d)
{
    static simdjson::dom::element root; // the parser's, until it reads again
    return parser.parse(d->text, d->len, false).get(root) == simdjson::SUCCESS ? &root : nullptr;
}

static size_t simdjson_write(const void *tree)
{
    return simdjson::to_string(*static_cast<const simdjson::dom::element *>(tree)).size();
}

static void simdjson_free(void *tree) { (void)tree; }

const library simdjson_library = {"simdjson", simdjson_read, simdjson_write, simdjson_free};
