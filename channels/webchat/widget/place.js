// Tells where the visitor is, when a button asks for it and they agree.

const PATIENCE_MS = 15_000;

/** @param {import("./element.js").Widget} widget */
export function tellWhere(widget) {
  const failed = () => widget.composer.complain(widget.say("noLocation"));
  if (!navigator.geolocation) return failed();
  navigator.geolocation.getCurrentPosition(
    ({ coords: { latitude, longitude } }) => widget.chat.put([{ type: "location", latitude, longitude }]),
    failed,
    { timeout: PATIENCE_MS },
  );
}
