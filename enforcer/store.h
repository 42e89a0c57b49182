/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Profiles on disk: a directory that is root's alone, with one file for each (enforcer/image.h).
 * Functions here may wait for the disk as long as it likes; enforcer/saver.c calls them where
 * nobody else has to wait.
 *
 * A file is written under another name, synced, and renamed: what is under its name is whole, the
 * old or the new one. What another version of ebph has written is not overwritten but renamed to
 * NAME.other-CRC: an older ebph must not destroy what a newer one knows.
 */
#ifndef EBPH_ENFORCER_STORE_H
#define EBPH_ENFORCER_STORE_H

#include "enforcer/image.h"

#define STORE_NAME_MAX	 200 /* bytes of a file's name, 0 included */
#define STORE_SUFFIX	 ".profile"
#define STORE_REASON_MAX 256

struct store {
	int dir_fd; /* locked */
	char *dir;
};

/**
 * store_open() - opens and locks the directory; makes it if it is not there (not its parents).
 * @ret:	to be freed with store_free()
 * @ret_reason: on failure one clause for people: what is wrong and what to do
 *
 * Refused: what is no directory, is not ours, may be read or written by others, a symlink; one
 * that another ebphd uses. A saver whose daemon has just died may need a moment to let go of it:
 * that is waited for, at most 3 s. What was being written when a predecessor died is removed.
 *
 * Return: 0; -EBUSY when it is in use; -errno.
 */
int store_open(const char *dir, struct store **ret, char ret_reason[static STORE_REASON_MAX]);

/*
 * To be called in a process that saves for the daemon and has inherited @store. It may outlive the
 * daemon, and the lock with it: whoever is refused then is told its pid.
 */
void store_introduce_saver(const struct store *store);

/* Lets go of the lock. NULL is fine. */
void store_free(struct store *store);

/*
 * The file name of an image: the program's name for people, machine and executable for us. Another
 * path is another name (it was not known before, or the file was renamed): who saves under a new
 * name removes the old one.
 */
void store_name(const struct image *image, char ret[static STORE_NAME_MAX]);

/**
 * store_save() - writes an image to the file of its name, all or nothing.
 *
 * Return: 0, then it outlasts a power cut; as image_encode(); -errno, then what was there is there
 * as it was. After an error of the very last step alone, syncing the directory, the new file is
 * there, whole, and nobody knows which of the two a power cut would leave.
 */
int store_save(struct store *store, const struct image *image);

/*
 * The same with bytes that image_encode() has made. -EINVAL, here and below, when @name is nothing
 * that store_name() could have made: a path, hidden, without STORE_SUFFIX.
 */
int store_save_bytes(struct store *store, const char *name, const void *data, size_t bytes);

/**
 * store_load() - reads one file.
 * @ret_reason: on failure one clause: what is wrong with the file
 *
 * Return: 0; -ENOENT; -EPERM when it is not a file of ours that nobody else can write (a symlink,
 * another's, writable by others); -EFBIG; as image_decode(); -errno.
 */
int store_load(struct store *store, const char *name, struct image *ret,
	       char ret_reason[static STORE_REASON_MAX]);

/*
 * Renames a damaged file to NAME.damaged, out of our way and still there; an earlier one of that
 * name is replaced. Return: 0 or -errno.
 */
int store_set_aside(struct store *store, const char *name);

/* Return: 0, also when there is no such file; -errno. */
int store_remove(struct store *store, const char *name);

/**
 * store_scan() - reads all files.
 * @each: called for every good one; may take the image's path and words over by making them NULL,
 *	  or leave them, they are freed then. Not 0 ends the scan.
 * @bad:  called for every other one with what is wrong and what store_load() returned. Damaged ones
 *	  (-EBADMSG) have been set aside by then, or the reason says why not; all others are left as
 *	  they are, those of another version (-EPROTONOSUPPORT) for that version.
 *
 * In the order of names. Both may save, remove and set aside while the scan goes on.
 *
 * Return: 0; what @each returned; -ENOMEM; -errno when the directory cannot be read.
 */
int store_scan(struct store *store, int (*each)(void *context, const char *name, struct image *),
	       void (*bad)(void *context, const char *name, int error, const char *reason),
	       void *context);

#endif
