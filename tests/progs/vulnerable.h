/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an attacker knows of vulnerable.c. */
#ifndef VULNERABLE_H
#define VULNERABLE_H

#define ROOM	  ((void *)0x20000000)
#define TEXT_SIZE 128

struct room {
	char text[TEXT_SIZE];
	void (*answer)(void);
};

#endif
