/* The memory of a large batch is not kept for the next one: nobody could say how large a batch may become. */
#include <malloc.h>

#include "tests/harness/store_desk.h"

enum { LARGE = 40 << 20 }; /* more than malloc ever takes from a heap: counted as mapped while it is there */

static size_t mapped_bytes(void) { return mallinfo2().hblkhd; }

static void test_large(void)
{
    static char text[LARGE];
    desk d;
    store_options o = options_for("large");
    memset(text, 'x', sizeof text);
    open_desk(&d, &o);
    put(&d, id_of(1, 1), 0, STORE_LIVE_SET, 0, "small");
    size_t before = mapped_bytes();
    store_segment s = {.run = id_of(1, 2), .live = STORE_LIVE_SET, .retain_ms = -1, .data = text, .len = sizeof text};
    append(&d, &s, 1);
    CHECK_INT(d.failed, 0);
    put(&d, id_of(1, 3), 0, STORE_LIVE_SET, 0, "small");
    size_t after = mapped_bytes();
    printf("# %zu bytes mapped, then %zu\n", before, after);
    CHECK(after < before + LARGE + LARGE / 2); /* the table in memory has it once; before, the batch had it too */
    close_desk(&d);
}

static const check_case cases[] = {{"the memory of a large batch is freed", test_large}};

int main(int argc, char **argv)
{
    snprintf(root, sizeof root, "/tmp/stepwell-batch-XXXXXX");
    CHECK(mkdtemp(root));
    int result = check_run(cases, sizeof cases / sizeof cases[0], argc, argv);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command) == 0 ? result : 1;
}
