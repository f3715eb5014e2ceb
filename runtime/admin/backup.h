/* backup: the admin route that copies the journal of the running program to a folder below --backup-dir, one copy at a
 * time. Owns the request until the copy is made. */
#ifndef RUNTIME_ADMIN_BACKUP_H
#define RUNTIME_ADMIN_BACKUP_H

#include "http/server/server.h"
#include "runtime/run/home.h"

/* Answers POST /_sw/backup?name=NAME. Takes the exchange. */
void backup_answer(home *h, http_exchange *x);

#endif
