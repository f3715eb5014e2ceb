/* Blocks: what is given back is handed out again, what nobody needs goes, and both are counted. */
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>

#include "blocks/blocks.h"
#include "coro/sanitize.h"
#include "tests/harness/check.h"

#if defined(CORO_ASAN) || defined(CORO_VALGRIND)
enum { KEEPS = 0 }; /* all is malloc's */
#else
enum { KEEPS = 1 };
#endif

enum { KIB = 1024, MIB = 1024 * KIB, LONG_MS = 10000 };

static void *take(blocks *b, size_t size)
{
    size_t has = size;
    char *block = blocks_take(b, &has);
    CHECK(block && has >= size && has <= size + size / 4);
    block[0] = block[has - 1] = 'x';
    return block;
}

static size_t size_of(size_t size)
{
    blocks_give(NULL, blocks_take(NULL, &size), size);
    return size;
}

static void test_again(void)
{
    blocks *b = blocks_new(0);
    CHECK(b);
    size_t size = 100 * KIB, other = 110 * KIB;
    void *first = blocks_take(b, &size), *second = blocks_take(b, &other);
    CHECK(first && second);
    CHECK_INT(size, KEEPS ? 112 * KIB : 100 * KIB);
    blocks_give(b, first, size);
    blocks_give(b, second, other);
    CHECK_INT(blocks_kept(b), KEEPS ? 2 * 112 * KIB : 0);
    if (KEEPS) CHECK(take(b, 112 * KIB) == second && take(b, 97 * KIB) == first); /* the last one given is warm */
    CHECK_INT(blocks_kept(b), 0);
    if (KEEPS) blocks_give(b, first, size), blocks_give(b, second, other);
    blocks_free(b);
}

static void test_sizes(void)
{
    blocks *b = blocks_new(0);
    CHECK(b);
    CHECK_INT(size_of(100 * KIB), 100 * KIB); /* without blocks, malloc's */
    for (size_t asked = 1, has; asked < 200u * MIB; asked += asked / 7 + 1) {
        has = asked;
        void *block = blocks_take(b, &has);
        CHECK(block && has >= asked && has <= asked + asked / 4);
        if (asked < BLOCK_BYTES_MIN) CHECK_INT(has, asked);
        blocks_give(b, block, has);
        CHECK(blocks_kept(b) == 0 || blocks_kept(b) == has);
        blocks_trim(b, LONG_MS);
        blocks_trim(b, LONG_MS); /* the first one saw it in use */
        CHECK_INT(blocks_kept(b), 0);
    }
    blocks_give(b, NULL, MIB);
    blocks_free(b);
    blocks_free(NULL);
}

/* Memory that others have made is worth keeping too: by the size that it is sure to have. */
static void test_foreign(void)
{
    blocks *b = blocks_new(0);
    CHECK(b);
    void *other = malloc(127 * KIB);
    CHECK(other);
    blocks_give(b, other, 127 * KIB);
    CHECK_INT(blocks_kept(b), KEEPS ? 112 * KIB : 0);
    blocks_free(b);
}

static void test_trim(void)
{
    enum { COUNT = 64 };
    void *all[COUNT];
    blocks *b = blocks_new(8 * MIB);
    CHECK(b);
    for (int i = 0; i < COUNT; i++) all[i] = take(b, MIB);
    for (int i = 0; i < COUNT; i++) blocks_give(b, all[i], MIB);
    CHECK_INT(blocks_kept(b), KEEPS ? COUNT * MIB : 0);
    blocks_trim(b, LONG_MS);
    CHECK_INT(blocks_kept(b), KEEPS ? COUNT * MIB : 0); /* until now somebody needed them */
    blocks_trim(b, 10);
    CHECK(!KEEPS || (blocks_kept(b) < COUNT * MIB && blocks_kept(b) >= (COUNT - 4) * MIB)); /* a few at a time */
    for (int i = 0; i < COUNT; i++) CHECK(blocks_trim(b, LONG_MS) == (blocks_kept(b) > 8 * MIB));
    CHECK_INT(blocks_kept(b), KEEPS ? 8 * MIB : 0);
    blocks_free(b);
}

/* A loop that has slept for long gives no more at once than one that has work: somebody may wait for it by now. */
static void test_trim_is_short(void)
{
    enum { COUNT = 256, MOST_MIB = 16 };
    static void *all[COUNT];
    blocks *b = blocks_new(0);
    CHECK(b);
    for (int i = 0; i < COUNT; i++) all[i] = take(b, MIB);
    for (int i = 0; i < COUNT; i++) blocks_give(b, all[i], MIB);
    CHECK(blocks_trim(b, LONG_MS) == (KEEPS > 0));
    for (size_t before; (before = blocks_kept(b)) > 0;) {
        CHECK(blocks_trim(b, LONG_MS) == (blocks_kept(b) > 0));
        CHECK(blocks_kept(b) < before && before - blocks_kept(b) <= (MOST_MIB + 1) * MIB);
    }
    blocks_free(b);
}

static blocks *shared;

static void *take_and_give(void *arg)
{
    enum { ROUNDS = 20000, AT_ONCE = 8 };
    void *held[AT_ONCE] = {NULL};
    for (size_t i = 0; i < ROUNDS; i++) {
        void **place = &held[i % AT_ONCE];
        blocks_give(shared, *place, 64u * KIB);
        *place = take(shared, 64u * KIB);
        if (arg && i % 100 == 0) blocks_trim(shared, 1);
    }
    for (size_t i = 0; i < AT_ONCE; i++) blocks_give(shared, held[i], 64u * KIB);
    return NULL;
}

/* Threads that work for the loop take and give while it trims. */
static void test_threads(void)
{
    pthread_t threads[2];
    CHECK(shared = blocks_new(0));
    for (int i = 0; i < 2; i++) CHECK_INT(pthread_create(&threads[i], NULL, take_and_give, NULL), 0);
    (void)take_and_give(shared);
    for (int i = 0; i < 2; i++) CHECK_INT(pthread_join(threads[i], NULL), 0);
    blocks_free(shared);
}

/* What is taken and given back all the time stays. */
static void test_needed(void)
{
    enum { COUNT = 32 };
    void *all[COUNT];
    blocks *b = blocks_new(0);
    CHECK(b);
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < COUNT; i++) all[i] = take(b, MIB);
        for (int i = 0; i < COUNT; i++) blocks_give(b, all[i], MIB);
        blocks_trim(b, LONG_MS);
        CHECK_INT(blocks_kept(b), KEEPS ? COUNT * MIB : 0);
    }
    blocks_free(b);
}

static size_t resident_pages(void)
{
    size_t total = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    CHECK(f && fscanf(f, "%zu %zu", &total, &resident) == 2 && fclose(f) == 0);
    return resident;
}

/* Between any two blocks there is a small object that stays: malloc alone gives nothing back. */
static void test_resident(void)
{
    enum { COUNT = 2000, BYTES = 64 * KIB };
    static void *all[COUNT], *small[COUNT];
    blocks *b = blocks_new(0);
    CHECK(b);
    (void)mallopt(M_PERTURB, 0); /* meson sets it: free would write to what has no pages any more */
    size_t before = resident_pages();
    for (int i = 0; i < COUNT; i++) {
        memset(all[i] = take(b, BYTES), i, BYTES);
        CHECK(small[i] = malloc(100));
    }
    size_t full = resident_pages();
    for (int i = 0; i < COUNT; i++) blocks_give(b, all[i], BYTES);
    for (int i = 0; i < 1000 && blocks_trim(b, LONG_MS); i++) continue;
    size_t after = resident_pages();
    printf("# %zu pages resident, %zu with all blocks, %zu after\n", before, full, after);
    if (KEEPS && !SANITIZED) CHECK(after < full / 5);
    for (int i = 0; i < COUNT; i++) free(small[i]);
    blocks_free(b);
}

static const check_case cases[] = {{"what is given back is handed out again", test_again},
                                   {"any size", test_sizes},
                                   {"memory that others have made", test_foreign},
                                   {"what nobody needs goes, little by little", test_trim},
                                   {"little goes at once, however long it took", test_trim_is_short},
                                   {"several threads take and give", test_threads},
                                   {"what is needed all the time stays", test_needed},
                                   {"the system has it back", test_resident}};

int main(int argc, char **argv) { return check_run(cases, sizeof cases / sizeof cases[0], argc, argv); }
