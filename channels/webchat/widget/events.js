// The way where sockets are blocked: server-sent events for what comes, requests for what goes.

import { Refusal } from "./connection.js";

/** @typedef {import("./connection.js").Connection} Connection */

/**
 * Ends with the stream; tells whether it ever opened. The address holds a ticket, so each try needs a new one.
 * @param {Connection} connection
 * @returns {Promise<boolean>}
 */
export async function listenToEvents(connection) {
  const { ticket } = await connection.ask("ticket", {});
  const address = connection.address("events");
  address.searchParams.set("token", ticket);
  const stream = new EventSource(address);
  connection.stream = stream;
  return new Promise((resolve) => {
    let wasOpen = false;
    const end = () => {
      stream.close();
      if (connection.stream === stream) connection.stream = null;
      resolve(wasOpen);
    };
    stream.onopen = () => {
      wasOpen = true;
      connection.opened();
    };
    stream.onmessage = ({ data }) => connection.heard(data);
    stream.onerror = end;
    stream.addEventListener("hangup", end);
  });
}

/**
 * Send a frame as a request; the answer to a message comes back as its frame.
 * @param {Connection} connection
 * @param {any} frame
 */
export async function post(connection, frame) {
  const conversation = connection.conversation || connection.session.conversation;
  try {
    const answer = await connection.ask(`messages?conversation=${conversation}`, frame);
    if (answer) connection.listener.frame(answer);
  } catch (error) {
    if (frame.type !== "message") return;
    if (!(error instanceof Refusal) || error.status === 401) {
      connection.hurry();
      return;
    }
    const wait = error.afterMs ? { retry_after_s: error.afterMs / 1000 } : {};
    connection.listener.frame({ type: "refused", client_id: frame.id, reason: error.code, message: error.message, ...wait });
  }
}
