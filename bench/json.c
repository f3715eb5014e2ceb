/* json: reads and writes documents with Stepwell, jansson, yajl and simdjson (the last two where they were installed
 * when this was built), in interleaved rounds, and lets Stepwell read the heaviest documents of 4 MiB. Prints a line
 * for each. The time is the processor's. Readers make a tree and free it. Stepwell's tree lies in an arena; simdjson's
 * parser keeps its memory from one document to the next. */
#include "bench/json_libraries.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/base/json.h"
#include "runtime/base/json_reader.h"

static const double SAMPLE_NS = 2e7;
enum { ROUNDS_MAX = 99 };

/* Of the processor: what other programs of the machine take does not count. */
static double now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* ---- Stepwell ---- */

typedef struct tree {
    arena memory;
    sw_value root;
} tree;

static void *stepwell_read(const document *d)
{
    static arena_cache *arenas;
    const char *wrong;
    tree *t = malloc(sizeof *t);
    if (!arenas) arenas = arena_cache_new(NULL);
    if (!t || !arenas) exit(1);
    arena_init(&t->memory, arenas);
    arena_set_limit(&t->memory, (size_t)1 << 30);
    if (json_read(&t->memory, d->text, d->len, &t->root, &wrong)) return t;
    (void)fprintf(stderr, "json: %s: %s\n", d->name, wrong);
    exit(1);
}

static size_t stepwell_write(const void *of)
{
    arena memory;
    sw_bytes text;
    arena_init(&memory, NULL);
    arena_set_limit(&memory, (size_t)1 << 30);
    if (!json_write(&memory, ((const tree *)of)->root, &text)) exit(1);
    arena_free(&memory);
    return text.len;
}

static void stepwell_free(void *of)
{
    arena_free(&((tree *)of)->memory);
    free(of);
}

static const library stepwell_library = {"stepwell", stepwell_read, stepwell_write, stepwell_free};

/* ---- jansson ---- */

static void *jansson_read(const document *d) { return json_loadb(d->text, d->len, 0, NULL); }

static size_t jansson_write(const void *of)
{
    char *text = json_dumps(of, JSON_COMPACT);
    size_t len = text ? strlen(text) : 0;
    free(text);
    return len;
}

static void jansson_free(void *of) { json_decref(of); }

const library jansson_library = {"jansson", jansson_read, jansson_write, jansson_free};

/* ---- Rates ---- */

static const library *const libraries[] = {
    &stepwell_library,
    &jansson_library,
#ifdef HAS_YAJL
    &yajl_library,
#endif
#ifdef HAS_SIMDJSON
    &simdjson_library,
#endif
};

enum { LIBRARIES = sizeof libraries / sizeof libraries[0] };

static void *read_tree(const library *l, const document *d)
{
    void *read = l->read(d);
    if (read) return read;
    (void)fprintf(stderr, "json: %s does not read the %s\n", l->name, d->name);
    exit(1);
}

/* Returns megabytes a second of text read. */
static double read_rate(const library *l, const document *d)
{
    double began = now_ns(), ended;
    size_t times = 0;
    do {
        l->free_tree(read_tree(l, d));
        times++;
    } while ((ended = now_ns()) < began + SAMPLE_NS);
    return (double)(d->len * times) / (ended - began) * 1e3;
}

/* Returns megabytes a second of text written. */
static double write_rate(const library *l, const document *d)
{
    void *read = read_tree(l, d);
    double began = now_ns(), ended;
    size_t written = 0;
    do {
        size_t len = l->write(read);
        if (len == 0) exit(1);
        written += len;
    } while ((ended = now_ns()) < began + SAMPLE_NS);
    l->free_tree(read);
    return (double)written / (ended - began) * 1e3;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *of, int n)
{
    qsort(of, (size_t)n, sizeof *of, compare_doubles);
    return of[n / 2];
}

static void print_rates(const char *verb, const document *d, int rounds,
                        double (*rate)(const library *l, const document *d))
{
    double rates[LIBRARIES][ROUNDS_MAX];
    for (int i = 0; i < rounds; i++)
        for (int l = 0; l < LIBRARIES; l++) rates[l][i] = rate(libraries[l], d);
    printf("%s %s: bytes=%zu", verb, d->name, d->len);
    for (int l = 0; l < LIBRARIES; l++) printf(" %s=%.1f", libraries[l]->name, median(rates[l], rounds));
    printf("\n");
}

/* ---- How long a document holds the loop ---- */

static void print_hold(const document *d, int rounds)
{
    double read_ms[ROUNDS_MAX];
    for (int i = 0; i < rounds; i++) {
        double began = now_ns();
        void *read = stepwell_read(d);
        read_ms[i] = (now_ns() - began) / 1e6;
        stepwell_free(read);
    }
    printf("hold %s: bytes=%zu ms=%.2f\n", d->name, d->len, median(read_ms, rounds));
}

int main(int argc, char **argv)
{
    static document documents[DOCUMENTS], heavy[HEAVY_DOCUMENTS];
    int rounds = argc > 1 ? atoi(argv[1]) : 5;
    if (rounds < 1 || rounds > ROUNDS_MAX) {
        (void)fprintf(stderr, "usage: json [ROUNDS] (1 to %d)\n", ROUNDS_MAX);
        return 2;
    }
    make_documents(documents);
    for (int i = 0; i < DOCUMENTS; i++) print_rates("read", &documents[i], rounds, read_rate);
    for (int i = 0; i < DOCUMENTS; i++) print_rates("write", &documents[i], rounds, write_rate);
    make_heavy_documents(heavy);
    for (int i = 0; i < DOCUMENTS; i++) print_hold(&documents[i], rounds);
    for (int i = 0; i < HEAVY_DOCUMENTS; i++) print_hold(&heavy[i], rounds);
    return 0;
}
