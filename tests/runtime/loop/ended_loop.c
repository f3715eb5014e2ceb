/* A loop that has ended before the others: whoever hands it a connection, or wakes it, learns that, and goes on. */
#include "tests/harness/turned.h"

static void routes(sw_app *app) { (void)app; }

static void test_asked(void)
{
    int fds[2];
    char byte;
    turned_open(routes, NULL);
    turned_drain();
    while (turned_turn()) continue;
    sw_loop *l = &turned_app->loops[0];
    loop_finish(l);
    CHECK(pipe(fds) == 0);
    loop_take_back(turned_app, 1, fds[1], "", 0);
    CHECK_INT(read(fds[0], &byte, 1), 0); /* it was closed */
    l->home.wake(&l->home);
    loop_free(l);
    turned_app->loop_count = 0; /* by_hand_close is to finish no loop */
    by_hand_close(turned_app);
    memory_disk_free(turned_disk);
    close(fds[0]);
}

static const check_case cases[] = {{"is asked by others", test_asked}};
CHECK_MAIN(cases)
