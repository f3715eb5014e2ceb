/* figure: numbers of a server's page of metrics. Pure. */
#ifndef CLI_FIGURE_H
#define CLI_FIGURE_H

/* The value of the metric, which has no labels; -1: the page does not have it. */
double figure_read(const char *page, const char *metric);

#endif
