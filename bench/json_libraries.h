/* json_libraries: what the files of bench/json share: its documents, and the libraries that read and write them. */
#ifndef BENCH_JSON_LIBRARIES_H
#define BENCH_JSON_LIBRARIES_H

#include <stddef.h>

enum {
    DOCUMENTS = 4,
    HEAVY_DOCUMENTS = 7,
    SPARE_BYTES = 64 /* zeros behind a text: simdjson reads beyond its end, yajl wants one */
};

typedef struct document {
    const char *name;
    char *text;       /* SPARE_BYTES follow; never freed */
    size_t len, room; /* bytes of the text; of the memory */
} document;

/* A library: reads a text into a tree, writes a tree as text, frees a tree. */
typedef struct library {
    const char *name;
    void *(*read)(const document *d);  /* NULL: refused, or no memory */
    size_t (*write)(const void *tree); /* frees the text and returns how long it was; 0: no memory */
    void (*free_tree)(void *tree);
} library;

#ifdef __cplusplus
extern "C" {
#endif

extern const library jansson_library, yajl_library, simdjson_library;

/* Makes the DOCUMENTS whose rates are measured. */
void make_documents(document *documents);

/* Makes the HEAVY_DOCUMENTS of 4 MiB that take longest to read. */
void make_heavy_documents(document *documents);

#ifdef __cplusplus
}
#endif

#endif
