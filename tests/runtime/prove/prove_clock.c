/* The first mistake of newcomers: a handler that reads the clock, or random numbers, itself. */
#include <stdlib.h>
#include <stepwell.h>
#include <time.h>

static sw_value save(sw_ctx *c, sw_value order)
{
    (void)c;
    return order;
}

static void on_order(sw_ctx *c)
{
    int64_t now = (int64_t)time(NULL);
    sw_value order = sw_map(c, "item", sw_str(c, "lamp"), "at", sw_int(now), NULL);
    sw_reply_json(c, 201, sw_step(c, "save", save, order));
}

static sw_value draw(sw_ctx *c, sw_value player)
{
    int lot = rand();
    return sw_step(c, "keep", save, sw_map(c, "player", player, "lot", sw_int(lot), NULL));
}

static void on_lottery(sw_ctx *c)
{
    sw_group *g = sw_group_new(c);
    sw_group_branch(g, "draw", draw, sw_str(c, "Ann"));
    sw_reply_json(c, 200, sw_group_wait(g));
}

static void on_twice(sw_ctx *c)
{
    int64_t sum = (int64_t)time(NULL) + (int64_t)time(NULL);
    sw_reply_json(c, 201, sw_step(c, "save", save, sw_int(sum)));
}

/* Reads it, and nothing comes of that. */
static void on_measured(sw_ctx *c)
{
    struct timespec began;
    (void)clock_gettime(CLOCK_MONOTONIC, &began);
    sw_reply_json(c, 200, sw_step(c, "save", save, sw_int(1)));
}

/* Another step each day. */
static void on_daily(sw_ctx *c)
{
    const char *id = sw_printf(c, "day %lld", (long long)time(NULL) / 86400);
    sw_reply_json(c, 200, sw_step(c, id, save, sw_int(1)));
}

static sw_value by_the_hour(sw_ctx *c, sw_value input)
{
    sw_set(c, &input, "hour", sw_int((int64_t)time(NULL) / 3600 + (int64_t)time(NULL)));
    return sw_step(c, "save", save, input);
}

int main(int argc, char **argv)
{
    sw_app *app = sw_app_new("clock");
    sw_endpoint(app, "POST /orders", on_order, NULL);
    sw_endpoint(app, "POST /strict", on_order, &(sw_endpoint_options){.on_difference = SW_STOP});
    sw_endpoint(app, "POST /twice", on_twice, NULL);
    sw_endpoint(app, "POST /lottery", on_lottery, NULL);
    sw_endpoint(app, "POST /measured", on_measured, NULL);
    sw_endpoint(app, "POST /daily", on_daily, NULL);
    sw_function(app, "hourly", by_the_hour, NULL);
    return sw_main(app, argc, argv);
}
