// What the conversation's view says, in the languages that it speaks.

const ALL = {
  es: {
    conversation: "Conversación",
    you: "Tú",
    customer: "Cliente",
    bot: "Asistente",
    agent: "Agente",
    system: "Aviso",
    today: "Hoy",
    yesterday: "Ayer",
    typing: "{name} está escribiendo",
    newMessages: ["{n} mensaje nuevo", "{n} mensajes nuevos"],
    toEnd: "Ir al final",
    sending: "Enviando",
    sent: "Enviado",
    delivered: "Entregado",
    read: "Leído",
    failed: "No se envió",
    withdrawn: "Retirado antes de enviarse",
    resend: "Enviar de nuevo",
    chosen: "Elegido",
    options: "Opciones",
    cards: "Fichas",
    previous: "Anterior",
    next: "Siguiente",
    unsupported: "Este contenido no se puede mostrar aquí",
    openImage: "Ampliar la imagen",
    image: "Imagen",
    video: "Video",
    audio: "Audio",
    document: "Documento",
    unavailable: "Ya no está disponible",
    download: "Descargar",
    close: "Cerrar",
    location: "Ubicación",
    liveLocation: "Ubicación en vivo",
    openMap: "Ver en el mapa",
    contact: "Contacto",
    uploading: "Subiendo",
  },
  en: {
    conversation: "Conversation",
    you: "You",
    customer: "Customer",
    bot: "Assistant",
    agent: "Agent",
    system: "Notice",
    today: "Today",
    yesterday: "Yesterday",
    typing: "{name} is typing",
    newMessages: ["{n} new message", "{n} new messages"],
    toEnd: "Go to the end",
    sending: "Sending",
    sent: "Sent",
    delivered: "Delivered",
    read: "Read",
    failed: "Not sent",
    withdrawn: "Withdrawn before it was sent",
    resend: "Send again",
    chosen: "Chosen",
    options: "Options",
    cards: "Cards",
    previous: "Previous",
    next: "Next",
    unsupported: "This cannot be shown here",
    openImage: "Enlarge the picture",
    image: "Picture",
    video: "Video",
    audio: "Audio",
    document: "Document",
    unavailable: "No longer available",
    download: "Download",
    close: "Close",
    location: "Location",
    liveLocation: "Live location",
    openMap: "See it on the map",
    contact: "Contact",
    uploading: "Uploading",
  },
  pt: {
    conversation: "Conversa",
    you: "Você",
    customer: "Cliente",
    bot: "Assistente",
    agent: "Atendente",
    system: "Aviso",
    today: "Hoje",
    yesterday: "Ontem",
    typing: "{name} está escrevendo",
    newMessages: ["{n} mensagem nova", "{n} mensagens novas"],
    toEnd: "Ir para o fim",
    sending: "Enviando",
    sent: "Enviada",
    delivered: "Entregue",
    read: "Lida",
    failed: "Não enviada",
    withdrawn: "Retirada antes do envio",
    resend: "Enviar de novo",
    chosen: "Escolhido",
    options: "Opções",
    cards: "Cartões",
    previous: "Anterior",
    next: "Próximo",
    unsupported: "Este conteúdo não pode ser mostrado aqui",
    openImage: "Ampliar a imagem",
    image: "Imagem",
    video: "Vídeo",
    audio: "Áudio",
    document: "Documento",
    unavailable: "Não está mais disponível",
    download: "Baixar",
    close: "Fechar",
    location: "Localização",
    liveLocation: "Localização ao vivo",
    openMap: "Ver no mapa",
    contact: "Contato",
    uploading: "Enviando arquivo",
  },
};

/** @typedef {"es" | "en" | "pt"} Language */

/**
 * The language that we speak of those wished for, in this order; English when none is ours.
 * @param {...(string | null | undefined)} wishes BCP 47 tags
 * @returns {Language}
 */
export function chooseLanguage(...wishes) {
  const found = wishes.map((wish) => wish?.slice(0, 2).toLowerCase()).find((wish) => wish && wish in ALL);
  return /** @type {Language} */ (found ?? "en");
}

/**
 * A function that says things in one language: `say("newMessages", {n: 3})`.
 * @template {Record<string, string | string[]>} T
 * @param {T} texts
 * @returns {(key: keyof T & string, values?: Record<string, string | number>) => string}
 */
export function speaker(texts) {
  return (key, values = {}) => {
    const found = texts[key];
    const text = Array.isArray(found) ? found[values.n === 1 ? 0 : 1] : found;
    return String(text).replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
  };
}

/**
 * What the view says in `language`.
 * @param {string} language
 */
export function viewTexts(language) {
  return speaker(ALL[chooseLanguage(language)]);
}
