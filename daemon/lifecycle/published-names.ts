/**
 * Everything by which clients find this daemon: token, registration, socket. Written, made again and removed only while the writer
 * lock is held: without it the names may be those of a newer daemon.
 */
import { lstatSync } from 'node:fs';
import type { Server } from 'node:net';
import { dirname } from 'node:path';
import { CairnError } from '../errors.ts';
import type { Endpoint, Registration } from '../protocol/endpoint.ts';
import { ensurePrivateDirectory } from './private-directory.ts';
import { newToken, register, unregister, writeToken } from './registration.ts';
import { isPublished, publishSocket, removeSocket, type PublishedSocket } from './socket.ts';

export class PublishedNames {
  readonly token = newToken();
  readonly #endpoint: Endpoint;
  readonly #registration: Registration;
  #freshServer: (() => Server) | null = null;
  #socket: PublishedSocket | null = null;
  #restoring: Promise<readonly string[]> = Promise.resolve([]);
  #isFinal = false;

  /** Token and registration are there from now on. */
  constructor(endpoint: Endpoint, registration: Registration) {
    this.#endpoint = endpoint;
    this.#registration = registration;
    writeToken(endpoint, this.token);
    register(endpoint, registration);
  }

  /** `freshServer` gives a server that does not listen yet; asked again when the socket has to be made again. */
  async listen(freshServer: () => Server): Promise<void> {
    this.#freshServer = freshServer;
    this.#socket = await publishSocket(freshServer(), this.#endpoint.socket);
  }

  /** One at a time. */
  restore(): Promise<readonly string[]> {
    return this.#isFinal ? Promise.resolve([]) : (this.#restoring = this.#restore());
  }

  /** From now on nothing is made again. */
  async finish(): Promise<void> {
    this.#isFinal = true;
    await this.#restoring.catch(() => undefined); // the self-check has reported it
  }

  withdraw(): void {
    if (this.#socket !== null) removeSocket(this.#socket);
    unregister(this.#endpoint, this.#registration.epoch);
  }

  async #restore(): Promise<readonly string[]> {
    const { tokenFile, registrationFile, runDir, socket } = this.#endpoint;
    const missing = [tokenFile, registrationFile, socket].filter((path) => lstatSync(path, { throwIfNoEntry: false }) === undefined);
    if (this.#socket === null || this.#freshServer === null) return [];
    if (!missing.includes(socket) && !isPublished(this.#socket)) throw new CairnError('ALREADY_EXISTS', 'the socket was replaced', { path: socket });
    if (missing.length === 0) return [];
    for (const dir of new Set([dirname(tokenFile), runDir])) ensurePrivateDirectory(dir);
    if (missing.includes(tokenFile)) writeToken(this.#endpoint, this.token);
    if (missing.includes(registrationFile)) register(this.#endpoint, this.#registration);
    if (missing.includes(socket)) this.#socket = await publishSocket(this.#freshServer(), socket);
    return missing;
  }
}
