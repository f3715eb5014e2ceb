/* What computes for long, or blocks in a library, has threads of its own: the loop goes on with other runs meanwhile.
 */
#include <stepwell.h>

enum { PARTS = 8, PART = 100000 };

/* On a thread of --blocking-threads: it may take its time, and uses no context. */
static void *count_primes(void *number)
{
    int *n = number, primes = 0;
    for (int i = *n, divisor; i < *n + PART; i++) {
        for (divisor = 2; divisor * divisor <= i && i % divisor != 0;) divisor++;
        primes += i > 1 && divisor * divisor > i;
    }
    *n = primes;
    return NULL;
}

static sw_value count_part(sw_ctx *c, sw_value part)
{
    int *n = sw_alloc(c, sizeof *n); /* the attempt's memory outlives the thread's work */
    *n = (int)sw_as_int(part, 0) * PART;
    sw_blocking(c, count_primes, n);
    return sw_int(*n);
}

static void on_primes(sw_ctx *c)
{
    sw_value parts = sw_nil();
    for (int i = 0; i < PARTS; i++) sw_push(c, &parts, sw_int(i));
    sw_reply_json(c, 200, sw_each(c, "part", count_part, parts, 2)); /* a restart repeats two parts at most */
}

int main(int argc, char **argv)
{
    sw_app *app = sw_app_new("blocking");
    sw_endpoint(app, "GET /primes", on_primes, NULL);
    return sw_main(app, argc, argv);
}
