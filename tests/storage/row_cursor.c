/* A cursor over rows (storage/row_cursor.h): whatever the keys and the pages, each row comes once and in order. Each
 * case runs with RocksDB and with memory. */
#include "storage/row_cursor.h"

#include "tests/storage/subject.h"

enum { KEYS = 300, ROUNDS = 40 };

static const char table[] = "turns";

static unsigned dice_state = 1;

static unsigned dice(unsigned n)
{
    dice_state = dice_state * 1664525 + 1013904223;
    return (dice_state >> 8) % n;
}

/* Short ones, and some of the greatest length or nearly so: alike but for a few bytes, which are often the least or the
 * greatest. */
static size_t make_key(uint8_t key[STORE_ROW_KEY_MAX])
{
    static const uint8_t bytes[] = {0, 0, 1, 'a', 0xfe, 0xff, 0xff};
    size_t len = dice(2) ? dice(4) : STORE_ROW_KEY_MAX - dice(3);
    memset(key, dice(4) ? 0xff : 'a', STORE_ROW_KEY_MAX);
    for (size_t i = 0; i < len && i < 2; i++) key[i] = bytes[dice(sizeof bytes)];
    for (size_t i = len > 4 ? len - 2 : len; i < len; i++) key[i] = bytes[dice(sizeof bytes)];
    return len;
}

static void fill(void)
{
    static uint8_t keys[KEYS][STORE_ROW_KEY_MAX];
    static store_row rows[KEYS];
    for (size_t i = 0; i < KEYS; i++)
        rows[i] = (store_row){.next = i + 1 < KEYS ? &rows[i + 1] : NULL,
                              .op = STORE_ROW_PUT,
                              .table = table,
                              .key = {keys[i], make_key(keys[i])}};
    store_segment s = {
        .run = subject_id(1, 1), .live = STORE_LIVE_SET, .retain_ms = -1, .data = "x", .len = 1, .rows = rows};
    CHECK_INT(subject_commit(&s, 1), STORE_DONE);
}

/* The keys as they come. */
typedef struct found {
    uint8_t keys[KEYS][STORE_ROW_KEY_MAX];
    size_t lens[KEYS];
    size_t count;
    row_cursor at;
} found;

static void on_row(void *arg, store_bytes key, store_bytes value)
{
    found *f = arg;
    (void)value;
    CHECK(f->count < KEYS && key.len <= STORE_ROW_KEY_MAX);
    memcpy(f->keys[f->count], key.data, key.len);
    f->lens[f->count++] = key.len;
    row_cursor_pass(&f->at, key);
}

static bool read_page(found *f, size_t rows_max)
{
    const char *error = NULL;
    const store_range range = {.table = table, .from = row_cursor_from(&f->at), .rows_max = rows_max};
    backend_scan how = subject.ops->scan(subject.b, &range, on_row, f, &error);
    CHECK(how != BACKEND_SCAN_FAILED);
    return how == BACKEND_SCAN_MORE;
}

static void check_same(const found *f, const found *whole, size_t from)
{
    CHECK_INT(f->count, whole->count - from);
    for (size_t i = 0; i < f->count; i++) {
        CHECK_INT(f->lens[i], whole->lens[from + i]);
        CHECK(memcmp(f->keys[i], whole->keys[from + i], f->lens[i]) == 0);
    }
}

static void test_pages(void)
{
    static found whole, paged;
    fill();
    whole = (found){.count = 0};
    CHECK(!read_page(&whole, KEYS + 1));
    CHECK(whole.count > KEYS / 3);
    for (int round = 0; round < ROUNDS; round++) {
        const size_t from = dice((unsigned)whole.count), rows_max = 1 + dice(round % 2 ? 4 : KEYS);
        paged = (found){.count = 0};
        row_cursor_set(&paged.at, (store_bytes){whole.keys[from], whole.lens[from]});
        while (read_page(&paged, rows_max)) continue;
        check_same(&paged, &whole, from);
    }
}

/* Such a key is no program's of this version. */
static void test_too_long(void)
{
    static const uint8_t key[STORE_ROW_KEY_MAX + 9] = {7};
    row_cursor c = {.len = 0};
    row_cursor_pass(&c, (store_bytes){key, sizeof key});
    store_bytes from = row_cursor_from(&c);
    CHECK_INT(from.len, STORE_ROW_KEY_MAX);
    CHECK(memcmp(from.data, key, from.len) > 0);
}

int main(int argc, char **argv)
{
    static const check_case contract[] = {{"each row comes once, in order", test_pages},
                                          {"a key that is too long is passed", test_too_long}};
    return subject_run_both(contract, sizeof contract / sizeof contract[0], argc, argv);
}
